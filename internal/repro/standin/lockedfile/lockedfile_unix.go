//go:build unix

// Package lockedfile stands in for github.com/rogpeppe/go-internal/lockedfile.
package lockedfile

import (
	"errors"
	"os"
	"syscall"
)

// A Mutex is a lock that processes share. Its value is the name of a file.
type Mutex string

// MutexAt returns the lock of a file.
func MutexAt(name string) Mutex { return Mutex(name) }

// Lock takes the lock, and waits while another process has it.
func (m Mutex) Lock() (unlock func(), err error) {
	f, err := os.OpenFile(string(m), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
