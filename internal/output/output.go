// Package output writes files that the user names. It does not overwrite a file unless that
// looks like output of the same command, and it replaces a file in one step.
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

// Errors of Check and Replace: the reasons not to write to a file.
var (
	ErrInput      = errors.New("it is an input, which is never written to")
	ErrNotRegular = errors.New("not a regular file")
	ErrForeign    = errors.New("it exists and holds something else")
)

// A Kind is a kind of output. A file may only be replaced by output of its own kind.
type Kind struct {
	Name string // for messages, as "records"
	// Verify reads a file. It returns nil if the file is of this kind, and otherwise an
	// error that says why it is not.
	Verify func(io.Reader) error
}

// Check returns nil if path may be written to. It may be if the file does not exist. It also
// may be if it is a regular file that is empty or of the given kind, and is not one of the
// inputs, even under another name. Check does not follow a symbolic link at path. It ignores
// an input that does not exist.
func Check(path string, kind Kind, inputs ...string) error {
	info, err := statRegular(path)
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

// statRegular returns information about a regular file. If there is no file, it returns nil
// and no error.
func statRegular(path string) (fs.FileInfo, error) {
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

// Replace writes a file in one step: a reader sees either the old contents or all of the new
// contents. If fill fails, nothing changes. An existing file keeps its permissions, and a new
// file gets perm. If path exists and is not a regular file, Replace returns ErrNotRegular.
func Replace(path string, perm fs.FileMode, fill func(*os.File) error) error {
	existing, err := statRegular(path)
	if err != nil {
		return err
	}
	// The new file is in the same file system, so that it can be renamed.
	dir, err := os.MkdirTemp(filepath.Dir(path), ".splitadd-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	temp, err := os.OpenFile(filepath.Join(dir, filepath.Base(path)), os.O_CREATE|os.O_EXCL|os.O_RDWR, perm)
	if err != nil {
		return err
	}
	if existing != nil {
		err = temp.Chmod(existing.Mode().Perm())
	}
	if err == nil {
		err = fill(temp)
	}
	if err == nil {
		err = temp.Sync()
	}
	if err := errors.Join(err, temp.Close()); err != nil {
		return err
	}
	return robustio.Rename(temp.Name(), path)
}

// Write replaces the contents of a file by data. See Replace.
func Write(path string, data []byte) error {
	return Replace(path, 0o666, func(file *os.File) error {
		_, err := file.Write(data)
		return err
	})
}
