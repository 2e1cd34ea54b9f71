package gate

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"splitadd/internal/survey"
	"splitadd/internal/window"
)

// baselineVersion is the version of the form of the file.
const baselineVersion = 1

// maxBaseline bounds the file, in bytes.
const maxBaseline = 64 << 20

// An Entry accepts the windows of one kind in one function. It has no address, no line and
// no version, so it stays valid when the program is built again.
type Entry struct {
	Function string `json:"function"` // as the linker names it
	Kind     string `json:"kind"`     // of window.KindNames()
	// Package is the import path of package main, if the function is in it. Functions of
	// different commands may have the same name "main.run".
	Package string `json:"package,omitempty"`
	// Possible says that only possible windows are accepted, not certain ones.
	Possible bool   `json:"possible,omitempty"`
	Reason   string `json:"reason,omitempty"` // why they are accepted, as a person wrote it
}

// String returns the kind and the function.
func (e Entry) String() string {
	s := e.Kind + " in " + e.Function
	if e.Package != "" {
		s += " of " + e.Package
	}
	return s
}

// An id is what two entries for the same windows have in common.
type id struct{ function, kind, pkg string }

func (e Entry) id() id { return id{e.Function, e.Kind, e.Package} }

// EntryFor returns the entry that accepts a window of a function, and windows like it.
func EntryFor(b *survey.Binary, f survey.Function, w survey.Window) Entry {
	text := func(s string) string { return string([]rune(s)) } // as JSON has it: valid UTF-8
	e := Entry{Function: text(f.Name), Kind: w.Kind(), Possible: w.Possible}
	if survey.Package(f.Name) == "main" {
		e.Package = text(b.Package)
	}
	return e
}

// A Baseline is a set of entries.
type Baseline struct {
	entries map[id]Entry
	used    map[id]bool // those that accepted a window
}

// NewBaseline returns a baseline without entries.
func NewBaseline() *Baseline { return &Baseline{map[id]Entry{}, map[id]bool{}} }

// Len returns the number of entries.
func (b *Baseline) Len() int { return len(b.entries) }

// file is the form of the file.
type file struct {
	Version  int     `json:"version"`
	Accepted []Entry `json:"accepted"`
}

// ReadBaseline reads the file of a baseline. Anything that is not known is an error,
// because a misspelled member would accept more than was meant.
func ReadBaseline(from io.Reader) (*Baseline, error) {
	limited := &io.LimitedReader{R: from, N: maxBaseline + 1}
	d := json.NewDecoder(limited)
	d.DisallowUnknownFields()
	var f file
	err := d.Decode(&f)
	if err == nil {
		if _, rest := d.Token(); rest != io.EOF {
			err = errors.New("something follows the JSON value")
		}
	}
	switch {
	case limited.N <= 0:
		return nil, fmt.Errorf("not a baseline: more than %d bytes", maxBaseline)
	case err != nil:
		return nil, fmt.Errorf("not a baseline: %w", err)
	case f.Version != baselineVersion:
		return nil, fmt.Errorf("a baseline of version %d: want %d", f.Version, baselineVersion)
	}
	b := NewBaseline()
	for i, e := range f.Accepted {
		if _, ok := window.KindNamed(e.Kind); !ok || e.Function == "" {
			return nil, fmt.Errorf("accepted[%d]: function %q and kind %q: want a function and a kind of window", i, e.Function, e.Kind)
		}
		b.add(e)
	}
	return b, nil
}

// add adds an entry. Two for the same windows become one, which accepts what either does.
func (b *Baseline) add(e Entry) {
	if old, ok := b.entries[e.id()]; ok {
		e.Possible = e.Possible && old.Possible
		e.Reason = cmp.Or(old.Reason, e.Reason)
	}
	b.entries[e.id()] = e
}

// accepts reports whether an entry accepts what e describes, and marks that entry as used.
func (b *Baseline) accepts(e Entry) bool {
	known, ok := b.entries[e.id()]
	if !ok {
		return false
	}
	b.used[e.id()] = true
	return e.Possible || !known.Possible
}

// Write writes the file, sorted, so that two versions can be compared line by line.
func (b *Baseline) Write(to io.Writer) error {
	e := json.NewEncoder(to)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(file{baselineVersion, b.sorted(func(Entry) bool { return true })})
}

// sorted returns the entries that are wanted, by function, kind and package.
func (b *Baseline) sorted(want func(Entry) bool) []Entry {
	entries := []Entry{}
	for _, e := range b.entries {
		if want(e) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(x, y Entry) int {
		return cmp.Or(cmp.Compare(x.Function, y.Function), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Package, y.Package))
	})
	return entries
}
