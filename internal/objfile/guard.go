package objfile

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"splitadd/internal/budget"
)

var (
	// ErrChanged is returned by Guard if mapped memory is gone.
	ErrChanged = errors.New("the file was cut off while it was read")

	// ErrPanic is wrapped by the error of Guard for a panic, which is a bug of this
	// program.
	ErrPanic = errors.New("bug in splitadd")
)

// Guard calls f, which reads the bytes of open files, and turns three failures into an
// error: a file is cut off while it is read, so that its mapping faults; f takes more
// than the file's budget; or f panics. Guard works only for the goroutine that calls it,
// not for others that f starts.
func Guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch p := recover().(type) {
		case nil:
		case *budget.LimitPanic:
			err = p.Err
		case interface{ Addr() uintptr }:
			err = ErrChanged
		default:
			err = fmt.Errorf("%w: panic: %v%s", ErrPanic, p, origin())
		}
	}()
	return f()
}

// Guard calls the function Guard for code that reads this file. Errors name the file.
func (f *File) Guard(read func() error) error {
	err := Guard(read)
	if err != nil && !strings.Contains(err.Error(), f.Path) {
		err = fmt.Errorf("%s: %w", f.Path, err)
	}
	return err
}

// origin returns the place in this program that panicked, as " at FILE:LINE", to be
// called by the function that recovers.
func origin() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		frame, more := frames.Next()
		if strings.HasPrefix(frame.Function, "splitadd/") {
			return fmt.Sprintf(" at %s:%d", filepath.Base(frame.File), frame.Line)
		}
		if !more {
			return ""
		}
	}
}
