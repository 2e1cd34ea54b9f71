package survey

import (
	"context"
	"errors"
	"fmt"

	"splitadd/internal/budget"
	"splitadd/internal/objfile"
	"splitadd/internal/pclntab"
)

// ErrNotArm64Go is wrapped by the error of ScanFile for a file that is not a Go binary for
// arm64.
var ErrNotArm64Go = errors.New("no Go binary for arm64")

// ForeignArchError is the error of ScanFile for a Go binary for another architecture. It
// wraps ErrNotArm64Go.
type ForeignArchError struct {
	Arch string // as in GOARCH
}

func (e ForeignArchError) Error() string { return "Go binary for " + e.Arch }

// Unwrap returns ErrNotArm64Go.
func (e ForeignArchError) Unwrap() error { return ErrNotArm64Go }

// Open opens a file as ScanFile does. The file must be a regular file. Reading it has to
// stay within limits, and ends when ctx is done. All code that reads the file has to run
// under its Guard.
func Open(ctx context.Context, path string, limits budget.Limits) (*objfile.File, error) {
	f, err := objfile.OpenWithLimits(ctx, path, limits)
	if err != nil {
		return nil, other(path, err)
	}
	return f, nil
}

// ScanFile surveys a file. With all it also lists the windows in which the runtime does
// not preempt. Opening, relocating, reading tables and finding windows together
// stay within limits, and end when ctx is done. If a Go binary for arm64 exceeds the
// limits, is cut off, or cannot be read for another reason, the error names the
// file and does not wrap ErrNotArm64Go.
func ScanFile(ctx context.Context, path string, all bool, limits budget.Limits) (b *Binary, err error) {
	f, err := Open(ctx, path, limits)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Scan(f, all)
}

// Scan surveys an open file.
func Scan(f *objfile.File, all bool) (b *Binary, err error) {
	err = f.Guard(func() error {
		b, err = scan(f, all)
		return err
	})
	if err != nil {
		return nil, other(f.Path, err)
	}
	return b, nil
}

// other adds ErrNotArm64Go to an error that says that a file is not a Go binary for
// arm64, or replaces it by a ForeignArchError.
func other(path string, err error) error {
	var foreign *objfile.ForeignError
	switch {
	case errors.As(err, &foreign) && foreign.Go:
		return fmt.Errorf("%s: %w", path, ForeignArchError{foreign.Arch})
	case errors.Is(err, objfile.ErrFormat), errors.Is(err, pclntab.ErrNoTable):
		return fmt.Errorf("%w: %w", ErrNotArm64Go, err)
	}
	return err
}
