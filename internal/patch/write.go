package patch

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"splitadd/internal/objfile"
	"splitadd/internal/output"
	"splitadd/internal/window"
)

// ErrChanged is wrapped by the error for a file that is not, or no longer, the one that
// the copy was planned for.
var ErrChanged = errors.New("the file has changed since it was read")

// Words are the words of the file that the plan changes, in the order of their
// offsets.
func (p *Plan) Words() (words []Word, err error) {
	for _, c := range p.Changes {
		for i, pc := range []uint64{c.PC - 4, c.PC} {
			w, err := WordAt(p.file, pc, c.After[i])
			if err != nil {
				return nil, err
			}
			w.Before = c.Before[i]
			words = append(words, w)
		}
	}
	slices.SortFunc(words, func(a, b Word) int { return int(a.Offset - b.Offset) })
	return words, nil
}

// Write writes the repaired binary, with the mode of the input. It first scans the copy,
// which must have exactly the windows that the plan does not close. Then it replaces a
// file of that name in one step. The name must not be that of the input: see
// output.ErrInput.
//
// Write copies the file that was open when the plan was made, even if another file has
// its name now. It returns ErrChanged if the contents have changed since.
func (p *Plan) Write(out string) error {
	info, err := p.file.Source().Stat()
	if err != nil {
		return err
	}
	if there, err := os.Stat(out); err == nil && os.SameFile(info, there) {
		return fmt.Errorf("%s: %w", out, output.ErrInput)
	}
	words, err := p.Words()
	if err != nil {
		return err
	}
	return output.Replace(out, 0o600, func(half *os.File) error {
		if err := fill(half, p.file.Source(), words); err != nil {
			return err
		}
		if err := p.check(half.Name()); err != nil {
			return fmt.Errorf("%s: not written: %w", out, err)
		}
		return half.Chmod(info.Mode().Perm())
	})
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
		others := map[string]int{}
		windows = pointerWindows(windows, others)
		if err == nil && !maps.Equal(others, p.OtherKinds) {
			err = fmt.Errorf("windows of other kinds were %v, and are %v", p.OtherKinds, others)
		}
		if err != nil {
			return err
		}
		// One boundary may have windows of both classes.
		type place struct {
			pc    uint64
			class window.Class
		}
		stay := map[place]bool{}
		for _, u := range p.Unrepaired {
			stay[place{u.PC, u.Class}] = true
		}
		for _, w := range windows {
			if !stay[place{w.PC, w.Class}] {
				return fmt.Errorf("the repaired copy would have %v", w)
			}
		}
		if len(windows) != len(p.Unrepaired) {
			return fmt.Errorf("the repaired copy would have %d windows, not %d", len(windows), len(p.Unrepaired))
		}
		return nil
	})
}
