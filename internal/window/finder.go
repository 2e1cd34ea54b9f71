package window

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"splitadd/internal/arm64"
	"splitadd/internal/objfile"
	"splitadd/internal/pclntab"
)

// A Finder finds the windows of one file.
type Finder struct {
	file  *objfile.File
	table *pclntab.Table

	// UnwindsFP is true if the runtime unwinds by frame pointer: if it has
	// runtime.fpTracebackPCs, as from Go 1.21 on, or may have it because an
	// obfuscator has removed the names. If it is false, a partial frame pointer is
	// harmless and not reported.
	UnwindsFP bool

	// Release is the Go release that built the file, or "". It counts only if the
	// code does not show whether a defect is fixed.
	Release string

	// Read from the file when first asked for.
	preemption func() *preemption
	flag       func() barrierFlag
	scansLink  func() answer

	longMutex      sync.Mutex // held while a long function is checked
	uncheckedMutex sync.Mutex // protects unchecked
	unchecked      []string
	undecoded      atomic.Int64
}

// UncheckedFunctions returns the names, sorted, of the functions met so far whose branches are
// too tangled for a clause to be checked.
func (f *Finder) UncheckedFunctions() []string {
	f.uncheckedMutex.Lock()
	defer f.uncheckedMutex.Unlock()
	slices.Sort(f.unchecked)
	return slices.Clone(f.unchecked)
}

// UndecodedWords returns how many words of code, hand-written assembly included, All found
// that arm64.Decode does not know. Constants between instructions are counted as well.
func (f *Finder) UndecodedWords() int { return int(f.undecoded.Load()) }

// countUndecoded counts the words of a function that arm64.Decode does not know.
func (f *Finder) countUndecoded(fn pclntab.Func) error {
	code, err := f.file.Bytes(fn.Entry, (fn.End-fn.Entry)&^3)
	if err != nil {
		return fmt.Errorf("function at %#x: %w", fn.Entry, err)
	}
	f.file.Budget.Work(len(code) / 4)
	for i := range len(code) / 4 {
		if _, ok := arm64.Decode(wordAt(code, i)); !ok {
			f.undecoded.Add(1)
		}
	}
	return nil
}

// Open prepares to find the windows of a file.
func Open(f *objfile.File) (*Finder, error) {
	table, err := pclntab.Open(f)
	if err != nil {
		return nil, err
	}
	finder := &Finder{file: f, table: table}
	finder.UnwindsFP = table.HasName("runtime.fpTracebackPCs") || !table.HasName("runtime.asyncPreempt")
	finder.preemption = sync.OnceValue(func() *preemption { p := readPreemption(f, table); return &p })
	finder.flag = sync.OnceValue(func() barrierFlag { return findFlag(f, table) })
	finder.scansLink = sync.OnceValue(func() answer { return readScansLink(f, table, finder.Release) })
	return finder, nil
}

// frameSize returns the largest value in a function's pcsp.
func frameSize(pcsp pclntab.PCValues) (bytes int64) {
	for _, v := range pcsp {
		bytes = max(bytes, int64(v.Value))
	}
	return bytes
}

// Table returns the file's function table.
func (f *Finder) Table() *pclntab.Table { return f.table }

// Find returns the windows in which the runtime preempts, in the order of
// their pcs.
func (f *Finder) Find() ([]Window, error) { return f.find(false) }

// All returns the windows of every function, preemptible or not. Hand-written
// assembly has many: it switches stacks.
func (f *Finder) All() ([]Window, error) { return f.find(true) }

// FindInFunction returns the windows of the function that holds an address, if the runtime preempts
// there.
func (f *Finder) FindInFunction(pc uint64) ([]Window, error) {
	i, ok := f.table.FuncIndex(pc)
	if !ok {
		return nil, fmt.Errorf("address %#x is in no function", pc)
	}
	var windows []Window
	err := objfile.Guard(func() (err error) {
		windows, err = f.findIn(i, i+1, false)
		return err
	})
	return windows, err
}

// functionsPerChunk is how many functions a goroutine takes at a time.
const functionsPerChunk = 1024

func (f *Finder) find(all bool) ([]Window, error) {
	chunks := (f.table.Len() + functionsPerChunk - 1) / functionsPerChunk
	found := make([][]Window, chunks)
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for c := range chunks {
		group.Go(func() error {
			return objfile.Guard(func() (err error) {
				found[c], err = f.findIn(c*functionsPerChunk, min((c+1)*functionsPerChunk, f.table.Len()), all)
				return err
			})
		})
	}
	err := group.Wait()
	return slices.Concat(found...), err
}

// findIn returns the windows of functions [from, to).
func (f *Finder) findIn(from, to int, all bool) (windows []Window, err error) {
	var p proof
	var s screen
	for i := from; i < to; i++ {
		fn, err := f.table.Func(i)
		if err != nil {
			return nil, err
		}
		assembly := fn.Assembly()
		if !all && assembly {
			continue
		}
		if all {
			if err := f.countUndecoded(fn); err != nil {
				return nil, err
			}
		}
		clean, suspects := p.showsClean(f, fn), clauseSet(0)
		if !assembly {
			suspects = s.suspects(f, fn, p.code)
		}
		if clean && suspects == 0 {
			continue
		}
		function, err := f.function(fn, suspects)
		if err != nil {
			return nil, err
		}
		for _, w := range function.Windows {
			if all || w.Preemptible {
				windows = append(windows, w)
			}
		}
	}
	return windows, nil
}

// Functions returns the functions whose names begin with a prefix.
func (f *Finder) Functions(prefix string) (functions []Function, err error) {
	err = objfile.Guard(func() error {
		functions, err = f.functions(prefix)
		return err
	})
	return functions, err
}

func (f *Finder) functions(prefix string) ([]Function, error) {
	var functions []Function
	for i := 0; i < f.table.Len(); i++ {
		fn, err := f.table.Func(i)
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(fn.Name(), prefix) {
			continue
		}
		function, err := f.function(fn, allClauses)
		if err != nil {
			return nil, err
		}
		functions = append(functions, function)
	}
	return functions, nil
}
