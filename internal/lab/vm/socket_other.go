//go:build !unix

package vm

import (
	"errors"
	"os"
)

func socketPair() (own, other *os.File, err error) {
	return nil, nil, errors.New("no virtual machine on this system: QEMU inherits sockets on Unix only")
}
