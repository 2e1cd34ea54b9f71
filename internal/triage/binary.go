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

// A Binary is the program that is said to have crashed. It may be used until Close.
type Binary struct {
	Path    string
	Go      string          // the release that built it, or ""
	Windows []window.Window // the preemptible windows, except stale frame pointers

	file      *objfile.File
	table     *pclntab.Table
	funcs     map[string][]pclntab.Func // by the name that a traceback prints
	callSites *sites                    // nil until they are needed
}

// Open opens a Go binary for arm64 and finds its windows, within the budget for a file. It ends
// with an error when ctx is done. If the file is not a Go binary for arm64, the error wraps
// objfile.ErrFormat or pclntab.ErrNoTable.
func Open(ctx context.Context, path string) (b *Binary, err error) {
	f, err := objfile.OpenWithLimits(ctx, path, budget.Default)
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
	// Stale frame pointers are another defect: see crash.Causes.
	b.Windows = slices.DeleteFunc(b.Windows, func(w window.Window) bool { return w.Stale })
	b.table = finder.Table()
	for i := range b.table.Len() {
		fn, err := b.table.Func(i)
		if err != nil {
			continue // a log that names it will not fit
		}
		name := crash.PrintedName(fn.Name())
		const entry = 200 // bytes of the map, for each function
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

// A Fit says whether a log is from a binary.
type Fit int

const (
	UnknownBuild Fit = iota // the log has too few frames to tell
	SameBuild               // the frames are those of the binary
	OtherBuild              // the log is from another build
)

// A log is from the binary if at least minGoodFrames frames agree with it and at most one in
// goodPerBad disagrees. Lines of other processes may be among the frames.
const (
	minGoodFrames = 4
	goodPerBad    = 20
)

// Fits compares the frames of a log with the binary. Each function must be in the binary and
// long enough. A return address must follow a call. All addresses must be moved by the same
// distance.
func (b *Binary) Fits(frames []crash.Frame) Fit {
	if b.table == nil { // a test has only the windows
		return UnknownBuild
	}
	good, bad := 0, 0
	moved := map[uint64]int{}
	for _, f := range frames {
		if !f.HasOffset || f.Offset == 0 { // no pc, or the function's entry, which follows no call
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
	// A loader moves code by whole pages.
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
	flow, _, _ := arm64.FlowOf(binary.LittleEndian.Uint32(code))
	return flow == arm64.FlowCall
}
