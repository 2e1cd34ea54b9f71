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
	// ErrChanged is returned by Guard if a file became shorter while it was mapped.
	ErrChanged = errors.New("the file was cut off while it was read")

	// ErrPanic is wrapped by the error of Guard for a panic, which is a bug in splitadd.
	ErrPanic = errors.New("bug in splitadd")
)

// Guard calls f, which reads open files, and returns its error. It turns three failures of f
// into errors. If a file is cut off while f reads it, so that its mapping faults, the error
// is ErrChanged. If f exceeds the budget of a file, it is the error of that limit. If f
// panics, the error wraps ErrPanic. Guard does not protect goroutines that f starts.
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
			err = fmt.Errorf("%w: panic: %v%s", ErrPanic, p, panicSite())
		}
	}()
	return f()
}

// Guard is like the function Guard, for a function that reads f. Errors name the file.
func (f *File) Guard(read func() error) error {
	err := Guard(read)
	if err != nil && !strings.Contains(err.Error(), f.Path) {
		err = fmt.Errorf("%s: %w", f.Path, err)
	}
	return err
}

// panicSite returns where this program panicked, as " at FILE:LINE", or "". It must be called
// by the deferred function that recovers.
func panicSite() string {
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
