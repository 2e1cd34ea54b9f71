// Package output writes the files that a user names. It refuses to overwrite a file
// that does not look like output of the same command, and it replaces a file in one
// step.
package output

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/robustio"
)

// The reasons not to write to a file.
var (
	ErrInput      = errors.New("it is an input, which is never written to")
	ErrNotRegular = errors.New("not a regular file")
	ErrForeign    = errors.New("it exists and holds something else")
)

// A Kind is a kind of output. Only a file of the same kind may be replaced.
type Kind struct {
	Name string // "records", say
	// Verify reads a file and returns why it is not of this kind, or nil.
	Verify func(io.Reader) error
}

// Check returns nil if path may be written to: if it does not exist, or is a regular file
// that is empty or of a kind and is not one of the inputs, even under another name.
// Symbolic links are not followed. An input that does not exist is passed over.
func Check(path string, kind Kind, inputs ...string) error {
	info, err := regular(path)
	if info == nil || err != nil {
		return err
	}
	for _, input := range inputs {
		if in, err := os.Stat(input); err == nil && os.SameFile(info, in) {
			return fmt.Errorf("%s: %w", path, ErrInput)
		}
	}
	if info.Size() == 0 {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := kind.Verify(file); err != nil {
		return fmt.Errorf("%s: %w: not %s: %w", path, ErrForeign, kind.Name, err)
	}
	return nil
}

// regular returns the information about a regular file, or nil if there is no file.
func regular(path string) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case info.Mode().IsRegular():
		return info, nil
	case info.Mode().Type() == fs.ModeSymlink:
		if target, err := os.Readlink(path); err == nil {
			return nil, fmt.Errorf("%s: %w: a symbolic link to %s", path, ErrNotRegular, target)
		}
	}
	return nil, fmt.Errorf("%s: %w", path, ErrNotRegular)
}

// Replace writes a file as a whole: readers see either the old contents or all of the
// new contents. If fill fails, nothing changes. An existing file keeps its
// permissions, and a new one has perm. It is an error if path exists and is not a
// regular file.
func Replace(path string, perm fs.FileMode, fill func(*os.File) error) error {
	there, err := regular(path)
	if err != nil {
		return err
	}
	// The new file is in the same file system, so that it can be renamed.
	dir, err := os.MkdirTemp(filepath.Dir(path), ".splitadd-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	half, err := os.OpenFile(filepath.Join(dir, filepath.Base(path)), os.O_CREATE|os.O_EXCL|os.O_RDWR, perm)
	if err != nil {
		return err
	}
	if there != nil {
		err = half.Chmod(there.Mode().Perm())
	}
	if err == nil {
		err = fill(half)
	}
	if err == nil {
		err = half.Sync()
	}
	if err := errors.Join(err, half.Close()); err != nil {
		return err
	}
	return robustio.Rename(half.Name(), path)
}

// Write replaces a file by data.
func Write(path string, data []byte) error {
	return Replace(path, 0o666, func(file *os.File) error {
		_, err := file.Write(data)
		return err
	})
}
