package repair

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"splitadd/internal/objfile"
	"splitadd/internal/patch"
	"splitadd/internal/window"
)

// ErrSame is wrapped by the error of Write for an output that is the input.
var ErrSame = errors.New("the binary itself is never written to")

// A Word is one that is changed.
type Word struct {
	patch.Word
	PC     uint64
	Before uint32
}

// Words are the words of the file that the plan changes, in the order of their
// offsets.
func (p *Plan) Words() (words []Word, err error) {
	for _, c := range p.Changes {
		for i, pc := range []uint64{c.PC - 4, c.PC} {
			offset, err := p.file.Offset(pc, 4)
			if err != nil {
				return nil, err
			}
			words = append(words, Word{patch.Word{Offset: offset, Word: c.After[i]}, pc, c.Before[i]})
		}
	}
	slices.SortFunc(words, func(a, b Word) int { return int(a.Offset - b.Offset) })
	return words, nil
}

// Write writes the repaired binary, with the mode of the input's, if a scan of it
// finds the windows that were left and no other. A file of that name is replaced,
// at once; the input cannot be.
func (p *Plan) Write(out string) (err error) {
	info, err := os.Stat(p.file.Path)
	if err != nil {
		return err
	}
	if there, err := os.Stat(out); err == nil && os.SameFile(info, there) {
		return fmt.Errorf("%s: %w", out, ErrSame)
	}
	all, err := p.Words()
	if err != nil {
		return err
	}
	var words []patch.Word
	for _, w := range all {
		words = append(words, w.Word)
	}
	// In the folder of the output, so that it can be renamed.
	dir, err := os.MkdirTemp(filepath.Dir(out), ".splitadd-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	half := filepath.Join(dir, filepath.Base(out))
	if err := patch.Copy(p.file.Path, half, words...); err != nil {
		return err
	}
	if err := p.check(half); err != nil {
		return fmt.Errorf("%s: not written: %w", out, err)
	}
	if err := os.Chmod(half, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Rename(half, out)
}

// check scans a repaired file.
func (p *Plan) check(path string) error {
	f, err := objfile.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return objfile.Guard(func() error {
		finder, err := window.Open(f)
		if err != nil {
			return err
		}
		windows, err := finder.Find()
		if err != nil {
			return err
		}
		left := map[uint64]window.Class{}
		for _, l := range p.Left {
			left[l.PC] = l.Class
		}
		for _, w := range windows {
			if left[w.PC] != w.Class {
				return fmt.Errorf("it would have %v", w)
			}
		}
		if len(windows) != len(p.Left) {
			return fmt.Errorf("%d windows were to be left, %d are there", len(p.Left), len(windows))
		}
		return nil
	})
}
