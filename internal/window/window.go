// Package window finds windows: instruction boundaries at which the runtime
// may preempt a goroutine while the machine's stack pointer, or frame pointer,
// is not what the unwinder will believe.
package window

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"splitadd/internal/arm64"
	"splitadd/internal/objfile"
	"splitadd/internal/pclntab"
)

// A Class says which pointer is wrong in a window.
type Class string

const (
	SP Class = "SP" // the stack pointer disagrees with pcsp
	FP Class = "FP" // R29 is neither the function's frame pointer nor its caller's
)

// A Window is one instruction boundary.
type Window struct {
	Class Class
	Func  string
	Leaf  bool   // the function makes no calls
	Entry uint64 // of the function
	PC    uint64 // of the instruction about to run
	Frame int64  // bytes; the largest value in the function's pcsp
	File  string
	Line  int

	// How many bytes the pointer is below the stack pointer at entry: as the
	// unwinder believes, and as the machine has it. Known is false where the
	// machine's value could not be followed.
	Claimed, Actual int64
	Known           bool

	// Pair is true between the two ADDs of one adjustment, as the assembler
	// writes it. Stale is true where the frame pointer is still that of this
	// function's frame, and the frame is popped: go1.21.0 to go1.21.6 restore it
	// after the stack pointer (golang/go#63830). A window of another shape is a
	// disagreement that no release is known to make.
	Pair, Stale bool

	Preemptible bool
	Why         string // why the runtime does not preempt here
}

// Offset returns the bytes from the function's entry to the window.
func (w Window) Offset() uint64 { return w.PC - w.Entry }

// Kind names what a window belongs to, as verdicts do: "leaf SP", or StaleFP.
func (w Window) Kind() string {
	if w.Stale {
		return StaleFP
	}
	return Kind(w.Class, w.Leaf)
}

// StaleFP is the kind of a stale frame pointer, of a leaf or not.
const StaleFP = "stale FP"

// Kind returns "leaf SP", "leaf FP", "non-leaf SP" or "non-leaf FP".
func Kind(class Class, leaf bool) string {
	if leaf {
		return "leaf " + string(class)
	}
	return "non-leaf " + string(class)
}

func (w Window) String() string {
	return fmt.Sprintf("%s window at %s+%#x pc=%#x", w.Kind(), w.Func, w.Offset(), w.PC)
}

// A Function is a function of a binary, as far as windows are concerned.
type Function struct {
	Name       string
	Entry, End uint64
	Frame      int64 // bytes; the largest value in pcsp
	Leaf       bool
	Windows    []Window // in the order of their pcs, preemptible or not
}

// A Finder finds the windows of one file.
type Finder struct {
	file  *objfile.File
	table *pclntab.Table

	// UnwindsFP reports whether the runtime unwinds by frame pointer: whether it
	// has runtime.fpTracebackPCs, as it does from Go 1.21 on, or may have it, where
	// an obfuscator has removed the names. Where it does not, a partial frame
	// pointer hurts nobody and is not looked for.
	UnwindsFP bool

	spoiled func() int64
}

// Open prepares to find the windows of a file.
func Open(f *objfile.File) (*Finder, error) {
	table, err := pclntab.Open(f)
	if err != nil {
		return nil, err
	}
	unwinds := table.HasName("runtime.fpTracebackPCs") || !table.HasName("runtime.asyncPreempt")
	return &Finder{f, table, unwinds, sync.OnceValue(func() int64 { return spoiled(table) })}, nil
}

// spoiled returns how many bytes under its stack pointer a goroutine's stack is
// written to when the runtime preempts it: sigctxt.pushCall
// (runtime/signal_arm64.go) takes 16, the frames of asyncPreempt and
// asyncPreempt2 come next, and mcall leaves the stack. Where an obfuscator has
// removed the names, it is what those are in the releases that leave frame pointers
// stale.
func spoiled(table *pclntab.Table) int64 {
	const pushed = 16
	const most = pushed + 496 + 32
	bytes := int64(pushed)
	for _, name := range []string{"runtime.asyncPreempt", "runtime.asyncPreempt2"} {
		fn, ok := table.Named(name)
		if !ok {
			return most
		}
		pcsp, err := fn.PCSP()
		if err != nil {
			return most
		}
		bytes += frame(pcsp)
	}
	return bytes
}

// frame returns the largest value in a function's pcsp.
func frame(pcsp pclntab.Values) (bytes int64) {
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

// In returns the windows in which the runtime preempts of the function that
// holds an address.
func (f *Finder) In(pc uint64) ([]Window, error) {
	i, ok := f.table.Search(pc)
	if !ok {
		return nil, fmt.Errorf("address %#x is in no function", pc)
	}
	return f.some(i, i+1, false)
}

// chunk is how many functions a goroutine takes at a time.
const chunk = 1024

func (f *Finder) find(all bool) ([]Window, error) {
	chunks := (f.table.Len() + chunk - 1) / chunk
	found := make([][]Window, chunks)
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for c := range chunks {
		group.Go(func() error {
			return objfile.Guard(func() (err error) {
				found[c], err = f.some(c*chunk, min((c+1)*chunk, f.table.Len()), all)
				return err
			})
		})
	}
	err := group.Wait()
	return slices.Concat(found...), err
}

// some returns the windows of functions [from, to).
func (f *Finder) some(from, to int, all bool) (windows []Window, err error) {
	var p proof
	for i := from; i < to; i++ {
		fn, err := f.table.Func(i)
		if err != nil {
			return nil, err
		}
		if !all && fn.Assembly() {
			continue
		}
		if p.clean(f, fn) {
			continue
		}
		function, err := f.function(fn)
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
func (f *Finder) Functions(prefix string) ([]Function, error) {
	var functions []Function
	for i := 0; i < f.table.Len(); i++ {
		fn, err := f.table.Func(i)
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(fn.Name(), prefix) {
			continue
		}
		function, err := f.function(fn)
		if err != nil {
			return nil, err
		}
		functions = append(functions, function)
	}
	return functions, nil
}

const valueSize = 16 // bytes of a value in a function's tables

// function finds the windows of one function.
func (f *Finder) function(fn pclntab.Func) (Function, error) {
	result := Function{Name: fn.Name(), Entry: fn.Entry, End: fn.End, Leaf: true}
	f.file.Budget.Work(len(result.Name) / 8)
	pcsp, err := fn.PCSP()
	if err != nil {
		return result, err
	}
	result.Frame = frame(pcsp)
	code, err := f.file.Bytes(fn.Entry, (fn.End-fn.Entry)&^3)
	if err != nil {
		return result, fmt.Errorf("function at %#x: %w", fn.Entry, err)
	}
	result.Leaf = leaf(code)
	if len(pcsp) == 0 {
		return result, nil // the unwinder does not pass it
	}
	points, err := fn.SafePoints()
	if err != nil {
		return result, err
	}
	w := walk{code: code, entry: fn.Entry, pcsp: fn.Cursor(pcsp), recovers: int(fn.DeferReturn()), budget: f.file.Budget}
	defer w.free()
	w.hold(valueSize * (len(pcsp) + points.Len()))
	w.run()
	var lines *pclntab.Lines // read once, by functions with windows
	w.each(func(i int, regs *registers) {
		pc := fn.Entry + uint64(4*i)
		// Where the runtime does not preempt, resume may be another instruction's:
		// then there is no window, and pc itself tells whether to list it.
		below, _ := w.pcsp.At(points.Resume(pc))
		classes := f.disagree(regs, int64(below))
		if classes == nil {
			return
		}
		resume, why := points.At(pc)
		if why != "" {
			below, _ = w.pcsp.At(resume)
			classes = f.disagree(regs, int64(below))
		}
		for _, class := range classes {
			if lines == nil {
				l := fn.Lines()
				lines = &l
				w.hold(valueSize * l.Len())
			}
			file, line := lines.At(pc)
			f.file.Budget.Window()
			f.file.Budget.Output(len(result.Name) + len(file) + len(why))
			found := Window{
				Class: class, Func: result.Name, Leaf: result.Leaf, Entry: fn.Entry, PC: pc,
				Frame: result.Frame, File: file, Line: line, Claimed: int64(below),
				Preemptible: why == "", Why: why,
			}
			machine := regs[arm64.SP]
			if class == FP {
				found.Claimed, machine = -callersFP.n, regs[arm64.FP]
			}
			found.Actual, found.Known = -machine.n, machine.kind == fromEntry
			found.Stale = class == FP && regs.stale()
			found.Pair = i > 0 && pair(w.word(i-1), w.word(i), class)
			result.Windows = append(result.Windows, found)
		}
	})
	return result, nil
}

// disagree returns the classes of window that the registers make where the
// function table says the stack pointer is so many bytes below the entry's.
//
// The frame pointer may be the function's own, which points at the saved one,
// 8 below the stack pointer, or its caller's. It may also point 24 below the
// stack pointer: that is where sigctxt.pushCall (runtime/signal_arm64.go)
// stores the frame pointer itself, so that whoever follows it goes in a circle
// and stops at the bound of the trace (runtime/tracestack.go, fpTracebackPCs).
// Go 1.23 and 1.24 leave it there around a call of duffzero in a prologue.
//
// Where the stack pointer is not what is claimed, a frame pointer that fits the
// claim is no window besides. Nor is a stale one where the frame that it points
// into lies too deep for a preemption to write to: what was saved there is there.
func (f *Finder) disagree(r *registers, below int64) (classes []Class) {
	sp, fp := r[arm64.SP], r[arm64.FP]
	if sp.kind != fromEntry || sp.n != -below {
		classes = append(classes, SP)
	}
	if !f.UnwindsFP {
		return classes
	}
	known := fp == callersFP ||
		fp.kind == fromEntry && (fp.n == -below-8 || fp == sp.add(-8) || fp == sp.add(-24)) ||
		r.stale() && sp.n-(fp.n+16) >= f.spoiled()
	if !known {
		classes = append(classes, FP)
	}
	return classes
}

// pair reports whether two instructions are the halves of one adjustment of a
// pointer: cmd/internal/obj/arm64/asm7.go writes the low 12 bits first.
func pair(first, second uint32, class Class) bool {
	to := arm64.SP
	if class == FP {
		to = arm64.FP
	}
	rd, rn, low, ok := arm64.AddImmediate(first)
	rd2, rn2, high, ok2 := arm64.AddImmediate(second)
	return ok && ok2 && rd == to && rn == arm64.SP && rd2 == to && rn2 == to && low < 1<<12 && high >= 1<<12
}

// saveLR is MOVD R30, R3, which the prologue does right before it calls
// runtime.morestack, and nothing else does before a call
// (cmd/internal/obj/arm64/obj7.go, stacksplit). The callee's name would tell as
// well, where an obfuscator has left it.
const saveLR = 0xaa1e03e3

// leaf reports whether a function makes no calls but those of its prologue to
// grow the stack.
func leaf(code []byte) bool {
	before := uint32(0)
	for ; len(code) >= 4; code = code[4:] {
		word := binary.LittleEndian.Uint32(code)
		if flow, _, _ := arm64.Control(word); flow == arm64.Call && before != saveLR {
			return false
		}
		before = word
	}
	return true
}
