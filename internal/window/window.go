// Package window finds windows: instruction boundaries at which the runtime
// may preempt a goroutine while the machine's stack pointer, or frame pointer,
// is not what the unwinder will believe.
package window

import (
	"encoding/binary"
	"fmt"
	"sort"
	"strings"

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

	Preemptible bool
	Why         string // why the runtime does not preempt here
}

// Offset returns the bytes from the function's entry to the window.
func (w Window) Offset() uint64 { return w.PC - w.Entry }

// Kind names what a window belongs to, as verdicts do: "leaf SP".
func (w Window) Kind() string { return Kind(w.Class, w.Leaf) }

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
	// has runtime.fpTracebackPCs, as it does from Go 1.21 on. Where it does not,
	// a partial frame pointer hurts nobody and is not looked for.
	UnwindsFP bool
}

// Open prepares to find the windows of a file.
func Open(f *objfile.File) (*Finder, error) {
	table, err := pclntab.Open(f)
	if err != nil {
		return nil, err
	}
	return &Finder{f, table, table.HasName("runtime.fpTracebackPCs")}, nil
}

// All returns the windows of every function, preemptible or not.
func (f *Finder) All() ([]Window, error) {
	var windows []Window
	for i := 0; i < f.table.Len(); i++ {
		fn, err := f.table.Func(i)
		if err != nil {
			return nil, err
		}
		function, err := f.function(fn)
		if err != nil {
			return nil, err
		}
		windows = append(windows, function.Windows...)
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

// function finds the windows of one function.
func (f *Finder) function(fn pclntab.Func) (Function, error) {
	result := Function{Name: fn.Name(), Entry: fn.Entry, End: fn.End, Leaf: true}
	pcsp, err := fn.PCSP()
	if err != nil {
		return result, err
	}
	for _, v := range pcsp {
		result.Frame = max(result.Frame, int64(v.Value))
	}
	code, err := f.file.Bytes(fn.Entry, (fn.End-fn.Entry)&^3)
	if err != nil {
		return result, fmt.Errorf("function at %#x: %w", fn.Entry, err)
	}
	result.Leaf = f.leaf(fn, code)
	if len(pcsp) == 0 {
		return result, nil // the unwinder does not pass it
	}
	points, err := fn.SafePoints()
	if err != nil {
		return result, err
	}
	w := walk{code: code, entry: fn.Entry, pcsp: pcsp}
	w.run()
	for _, state := range w.sorted() {
		pc := fn.Entry + uint64(state.at)
		resume, why := points.At(pc)
		if why != "" {
			resume = pc
		}
		below, _ := pcsp.At(fn.Entry, resume)
		for _, class := range f.disagree(&state.regs, int64(below)) {
			file, line := fn.Line(pc)
			found := Window{
				Class: class, Func: result.Name, Leaf: result.Leaf, Entry: fn.Entry, PC: pc,
				Frame: result.Frame, File: file, Line: line, Claimed: int64(below),
				Preemptible: why == "", Why: why,
			}
			machine := state.regs[arm64.SP]
			if class == FP {
				found.Claimed, machine = -callersFP.n, state.regs[arm64.FP]
			}
			found.Actual, found.Known = -machine.n, machine.kind == fromEntry
			result.Windows = append(result.Windows, found)
		}
	}
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
func (f *Finder) disagree(r *registers, below int64) (classes []Class) {
	sp, fp := r[arm64.SP], r[arm64.FP]
	if sp.kind != fromEntry || sp.n != -below {
		classes = append(classes, SP)
	}
	if f.UnwindsFP && fp != callersFP && fp != sp.add(-8) && fp != sp.add(-24) {
		classes = append(classes, FP)
	}
	return classes
}

// leaf reports whether a function makes no calls but those of its prologue to
// grow the stack.
func (f *Finder) leaf(fn pclntab.Func, code []byte) bool {
	for at := 0; at < len(code); at += 4 {
		flow, offset, direct := arm64.Control(binary.LittleEndian.Uint32(code[at:]))
		if flow != arm64.Call {
			continue
		}
		if !direct {
			return false
		}
		callee, ok := f.table.Find(fn.Entry + uint64(int64(at)+offset))
		if !ok || !strings.HasPrefix(callee.Name(), "runtime.morestack") {
			return false
		}
	}
	return true
}

// A state is what is known of the registers at an offset in a function. There
// is one for each pair of stack and frame pointer that reaches the offset.
type state struct {
	at   int
	regs registers
}

// maxStates bounds the pairs that are followed at one offset. Go's code has
// one; a function with a push in a loop would have no end of them.
const maxStates = 8

// A walk follows the registers through the code of one function, along every
// branch.
type walk struct {
	code   []byte
	entry  uint64
	pcsp   pclntab.Values
	states [][]registers // by instruction
	work   []state
}

// run walks from the entry, and then from whatever no known branch reaches:
// the targets of jump tables and of a recovered panic. There the stack pointer
// is taken to be what the function table claims.
func (w *walk) run() {
	w.states = make([][]registers, len(w.code)/4)
	w.reach(state{0, entered()})
	for {
		for len(w.work) > 0 {
			s := w.work[len(w.work)-1]
			w.work = w.work[:len(w.work)-1]
			w.step(s)
		}
		at := 0
		for at < len(w.states) && w.states[at] != nil {
			at++
		}
		if at == len(w.states) {
			return
		}
		below, _ := w.pcsp.At(w.entry, w.entry+uint64(4*at))
		w.reach(state{4 * at, claimed(int64(below))})
	}
}

// reach notes that a state is reached, and puts it to work if that is news.
func (w *walk) reach(s state) {
	known := w.states[s.at/4]
	for i := range known {
		k := &known[i]
		if k[arm64.SP] == s.regs[arm64.SP] && k[arm64.FP] == s.regs[arm64.FP] {
			if k.join(&s.regs) {
				w.work = append(w.work, state{s.at, *k})
			}
			return
		}
	}
	if len(known) < maxStates {
		w.states[s.at/4] = append(known, s.regs)
		w.work = append(w.work, s)
	}
}

// step executes one instruction and reaches its successors in the function.
func (w *walk) step(s state) {
	word := binary.LittleEndian.Uint32(w.code[s.at:])
	regs := s.regs
	regs.step(word)
	flow, offset, _ := arm64.Control(word)
	if target := int64(s.at) + offset; (flow == arm64.Branch || flow == arm64.Cond) && target >= 0 && target < int64(len(w.code)) {
		w.reach(state{int(target), regs})
	}
	if next := s.at + 4; flow != arm64.Branch && flow != arm64.Leave && next < len(w.code) && !w.never(s.at) {
		w.reach(state{next, regs})
	}
}

// never reports whether control never gets past an instruction because it is,
// or is the no-op after, a call that does not return. The compiler leaves a
// no-op after such a call at the end of a function's body, so that its return
// address is still the function's (cmd/compile/internal/ssagen, genssa). What
// follows is the tail that grows the stack, or another block, and pcsp tells:
// neither a call nor a no-op changes the stack pointer.
func (w *walk) never(at int) bool {
	here, _ := w.pcsp.At(w.entry, w.entry+uint64(at))
	next, _ := w.pcsp.At(w.entry, w.entry+uint64(at)+4)
	if here == next {
		return false
	}
	if binary.LittleEndian.Uint32(w.code[at:]) == arm64.Nop && at > 0 {
		at -= 4
	}
	flow, _, _ := arm64.Control(binary.LittleEndian.Uint32(w.code[at:]))
	return flow == arm64.Call
}

// sorted returns the states in the order of their offsets.
func (w *walk) sorted() []state {
	var all []state
	for i, known := range w.states {
		for _, regs := range known {
			all = append(all, state{4 * i, regs})
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].at < all[j].at })
	return all
}
