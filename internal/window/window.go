// Package window finds windows: instruction boundaries at which the runtime may
// preempt a goroutine although the code breaks a clause of the preemption contract
// there. For example, the stack pointer is not what the unwinder expects.
//
// Finder.Find follows the registers through the code of every function, and compares
// them with the function table. The table Kinds lists what can be found, and
// docs/contract.md explains the clauses.
package window

import (
	"fmt"
)

// A Class says what is wrong in a window.
type Class string

const (
	SP       Class = "SP"            // the stack pointer disagrees with pcsp
	FP       Class = "FP"            // R29 is neither the function's frame pointer nor its caller's
	Save     Class = "lost save"     // a needed value is below the stack pointer
	Register Class = "lost register" // a live register is not restored
	Pointer  Class = "lost pointer"  // a live pointer is not scanned
	Restart  Class = "restart"       // a restartable sequence cannot be restarted
	Barrier  Class = "barrier"       // between the write barrier's check and its store
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

	// How many bytes the pointer is below the stack pointer at entry. Claimed is
	// what the unwinder believes, and Actual is the machine's value. Known is false
	// if the machine's value could not be followed.
	Claimed, Actual int64
	Known           bool

	// Pair is true between the two ADDs with which the assembler writes one
	// adjustment. Stale is true if the frame pointer still points into this
	// function's frame although the frame is popped: go1.21.0 to go1.21.6 restore it
	// after the stack pointer (golang/go#63830). If both are false, no release is
	// known to make this window.
	Pair, Stale bool

	Preemptible bool
	Why         string // why the runtime does not preempt here

	// Detail says what is wrong here, for classes other than SP and FP. Possible is
	// true if harm depends on what the function's code does not show.
	Detail   string
	Possible bool
}

// Offset returns the bytes from the function's entry to the window.
func (w Window) Offset() uint64 { return w.PC - w.Entry }

// Kind returns the name of a window's kind, as in verdicts: "leaf SP", or StaleFP.
func (w Window) Kind() string {
	if w.Stale {
		return StaleFP
	}
	return KindName(w.Class, w.Leaf)
}

// StaleFP is the kind of a stale frame pointer, of a leaf or not.
const StaleFP = "stale FP"

func (w Window) String() string {
	return fmt.Sprintf("%s window at %s+%#x pc=%#x", w.Kind(), w.Func, w.Offset(), w.PC)
}

// A Function is a function of a binary, with its windows.
type Function struct {
	Name       string
	Entry, End uint64
	Frame      int64 // bytes; the largest value in pcsp
	Leaf       bool
	Windows    []Window // in the order of their pcs, preemptible or not
}
