package triage

import (
	"context"
	"encoding/binary"
	"slices"

	"splitadd/internal/arm64"
	"splitadd/internal/budget"
	"splitadd/internal/crash"
	"splitadd/internal/objfile"
	"splitadd/internal/pclntab"
	"splitadd/internal/survey"
	"splitadd/internal/window"
)

// A Binary is the program that a crash is said to be of. Its fields may be read
// until Close.
type Binary struct {
	Path    string
	Go      string          // the release that built it, or ""
	Windows []window.Window // in which the runtime preempts

	file      *objfile.File
	table     *pclntab.Table
	funcs     map[string][]pclntab.Func // by name as a traceback prints it
	callSites *sites                    // once they are needed
}

// Open opens a Go binary for arm64 and finds its windows, within the budget of a
// file, until ctx is done. An error wraps objfile.ErrFormat or pclntab.ErrNone if it
// is none.
func Open(ctx context.Context, path string) (b *Binary, err error) {
	f, err := objfile.OpenIn(ctx, path, budget.Default)
	if err != nil {
		return nil, err
	}
	b = &Binary{Path: path, file: f, funcs: map[string][]pclntab.Func{}}
	if err = f.Guard(b.read); err != nil {
		f.Close()
		return nil, err
	}
	return b, nil
}

func (b *Binary) read() (err error) {
	finder, err := window.Open(b.file)
	if err != nil {
		return err
	}
	if b.Windows, err = finder.Find(); err != nil {
		return err
	}
	// A stale frame pointer is another defect: see neighbours.
	b.Windows = slices.DeleteFunc(b.Windows, func(w window.Window) bool { return w.Stale })
	b.table = finder.Table()
	for i := range b.table.Len() {
		fn, err := b.table.Func(i)
		if err != nil {
			continue // a log names it in vain
		}
		name := crash.PrintedName(fn.Name())
		const entry = 200 // bytes in the map, for each
		b.file.Budget.Work(len(name) / 8)
		b.file.Budget.Hold(len(name) + entry)
		b.funcs[name] = append(b.funcs[name], fn)
	}
	b.Go = survey.BuildInfo(b.file).GoVersion
	return nil
}

// Close closes the file.
func (b *Binary) Close() error { return b.file.Close() }

// HasWindow reports whether the binary has a window of a class.
func (b *Binary) HasWindow(class window.Class) bool {
	return slices.ContainsFunc(b.Windows, func(w window.Window) bool { return w.Class == class })
}

// A Fit says whether a log is of a binary.
type Fit int

const (
	UnknownBuild Fit = iota // too little of the binary shows
	SameBuild               // every frame is one of the binary's
	OtherBuild              // the log is of another build
)

// Frames that say that a log is of a binary, at least; one in so many may
// disagree: lines of other processes get in between.
const (
	minGoodFrames = 4
	goodPerBad    = 20
)

// Fits compares the frames of a log with the binary: each function is there and
// long enough, a return address follows a call, and the addresses are those of
// the binary, or all moved alike.
func (b *Binary) Fits(frames []crash.Frame) Fit {
	if b.table == nil { // known by its windows alone
		return UnknownBuild
	}
	good, bad := 0, 0
	moved := map[uint64]int{}
	for _, f := range frames {
		if !f.HasOffset || f.Offset == 0 { // of a function's entry, which follows no call
			continue
		}
		found := false
		for _, fn := range b.funcs[f.Func] {
			if f.Offset >= fn.End-fn.Entry {
				continue
			}
			if !f.Innermost && !fn.Assembly() && !b.isCall(fn.Entry+f.Offset-4) {
				continue
			}
			found = true
			if f.PC != 0 {
				moved[f.PC-f.Offset-fn.Entry]++
			}
			break
		}
		if found {
			good++
		} else {
			bad++
		}
	}
	// A loader moves by pages.
	most, all := 0, 0
	for by, n := range moved {
		if all += n; by%4096 == 0 {
			most = max(most, n)
		}
	}
	bad += all - most
	switch {
	case good >= minGoodFrames && bad*goodPerBad <= good:
		return SameBuild
	case bad > 1 && bad*goodPerBad > good:
		return OtherBuild
	}
	return UnknownBuild
}

// isCall reports whether the instruction at an address is a call.
func (b *Binary) isCall(pc uint64) bool {
	code, err := b.file.Bytes(pc, 4)
	if err != nil {
		return false
	}
	flow, _, _ := arm64.Control(binary.LittleEndian.Uint32(code))
	return flow == arm64.Call
}
