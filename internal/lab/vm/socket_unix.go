//go:build unix

package vm

import (
	"os"
	"syscall"
)

// socketPair returns two ends of a stream: one for this process, whose reads and writes
// can have a deadline, and one for a process that inherits it.
func socketPair() (own, other *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, err
	}
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
	}
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "own"), os.NewFile(uintptr(fds[1]), "other"), nil
}
