//go:build !unix

package vm

import (
	"errors"
	"net"
	"os"
)

func socketPair() (net.Conn, *os.File, error) {
	return nil, nil, errors.New("no virtual machine on this system: QEMU inherits sockets on Unix only")
}
