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

// ErrChanged is wrapped by the error for a file whose contents are not those for which the
// copy was planned.
var ErrChanged = errors.New("the file has changed since it was read")

// Replacements returns the words of the file that the plan replaces, in the order of their
// offsets.
func (p *Plan) Replacements() (words []Replacement, err error) {
	for _, c := range p.Repaired {
		for i, pc := range []uint64{c.PC - 4, c.PC} {
			w, err := NewReplacement(p.file, pc, c.After[i])
			if err != nil {
				return nil, err
			}
			w.Before = c.Before[i]
			words = append(words, w)
		}
	}
	slices.SortFunc(words, func(a, b Replacement) int { return int(a.Offset - b.Offset) })
	return words, nil
}

// Write writes the repaired binary to the file out, with the mode of the input. It scans the
// copy first, which must have exactly the windows that the plan does not close. Then it
// creates or replaces out in one step. If out is the input, the error wraps output.ErrInput.
//
// Write copies the file that was open when the plan was made, even if another file has its
// name now. If its contents have changed since, the error wraps ErrChanged.
func (p *Plan) Write(out string) error {
	info, err := p.file.Source().Stat()
	if err != nil {
		return err
	}
	if existing, err := os.Stat(out); err == nil && os.SameFile(info, existing) {
		return fmt.Errorf("%s: %w", out, output.ErrInput)
	}
	words, err := p.Replacements()
	if err != nil {
		return err
	}
	return output.Replace(out, 0o600, func(temp *os.File) error {
		if err := copyAndReplace(temp, p.file.Source(), words); err != nil {
			return err
		}
		if err := p.checkCopy(temp.Name()); err != nil {
			return fmt.Errorf("%s: not written: %w", out, err)
		}
		return temp.Chmod(info.Mode().Perm())
	})
}

// checkCopy scans a repaired file. It returns an error if its windows are not those that the
// plan does not close.
func (p *Plan) checkCopy(path string) error {
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
		type key struct {
			pc    uint64
			class window.Class
		}
		unrepaired := map[key]bool{}
		for _, u := range p.Unrepaired {
			unrepaired[key{u.PC, u.Class}] = true
		}
		for _, w := range windows {
			if !unrepaired[key{w.PC, w.Class}] {
				return fmt.Errorf("the repaired copy would have %v", w)
			}
		}
		if len(windows) != len(p.Unrepaired) {
			return fmt.Errorf("the repaired copy would have %d windows, not %d", len(windows), len(p.Unrepaired))
		}
		return nil
	})
}
