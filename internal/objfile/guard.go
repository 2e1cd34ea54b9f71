package objfile

import (
	"errors"
	"runtime/debug"
)

// ErrChanged is returned by Guard when mapped memory is gone.
var ErrChanged = errors.New("the file was cut off while it was read")

// Guard calls f, which reads the bytes of open files. Where a file is cut off
// meanwhile, its mapping faults; Guard makes that an error. It holds for the
// goroutine that f runs in, and for no other.
func Guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }:
			err = ErrChanged
		default:
			panic(fault)
		}
	}()
	return f()
}
