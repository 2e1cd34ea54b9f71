package objfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/edsrzf/mmap-go"

	"splitadd/internal/budget"
)

// OpenRegular opens a regular file for reading. For any other file the error wraps ErrFormat.
// It never waits for the writer of a pipe.
func OpenRegular(path string) (*os.File, os.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s: %w: not a regular file", path, ErrFormat)
	}
	// The file may have been replaced by a pipe.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	if info, err = file.Stat(); err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w: not a regular file", path, ErrFormat)
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

// Open maps the file into memory and reads its headers, within the default budget.
func Open(path string) (*File, error) {
	return OpenWithLimits(context.Background(), path, budget.Default)
}

// OpenWithLimits maps the file into memory and reads its headers. The limits apply to all
// reading of the file until Close. When ctx is done, reading ends with the error of ctx.
// Errors name the file. If the file is not an executable for arm64, the error wraps
// ErrFormat, and may wrap a *ForeignError.
func OpenWithLimits(ctx context.Context, path string, limits budget.Limits) (f *File, err error) {
	file, info, err := OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	if info.Size() == 0 {
		return nil, fmt.Errorf("%s: %w: empty", path, ErrFormat)
	}
	// Relocation writes to private copies of pages.
	mapped, err := mmap.Map(file, mmap.COPY, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if f, err = ParseWithLimits(ctx, path, mapped, limits); err != nil {
		_ = mapped.Unmap()
		return nil, err
	}
	f.mapped, f.file = mapped, file
	return f, nil
}

// Close unmaps and closes the file.
func (f *File) Close() error {
	if f.mapped == nil {
		return nil
	}
	return errors.Join(f.mapped.Unmap(), f.file.Close())
}
