package patch

import (
	"encoding/binary"
	"fmt"
	"slices"

	"splitadd/internal/arm64"
	"splitadd/internal/objfile"
	"splitadd/internal/pclntab"
	"splitadd/internal/window"
)

// scratch is the register that holds the partial sum. The platform's ABI lets a
// linker use it between functions, so a function never returns a result in it.
const scratch = 16

// A Change is a window that is closed.
type Change struct {
	window.Window
	Before, After [2]uint32 // the pair: the window is at the second
}

// An UnrepairedWindow is a window that repair does not change, with the reason.
type UnrepairedWindow struct {
	window.Window
	Reason string
}

// A Plan says how to close the windows of a finished binary. The code keeps its length,
// and the pointers never hold a partial sum at a boundary.
//
// If the assembler adds in two steps to the pointer itself,
//
//	ADD $low, RSP, RSP              ADD $low, RSP, R29
//	ADD $high, RSP, RSP             ADD $high, R29, R29
//
// the repaired code takes its first step in a scratch register:
//
//	ADD $low, RSP, R16              ADD $low, RSP, R16
//	ADD $high, R16, RSP             ADD $high, R16, R29
//
// The second instruction writes the pointer once, and the sum is the same for every
// frame. R16 must be dead at the return, and asyncPreempt must save it. Both are proved
// from the binary.
type Plan struct {
	Changes    []Change
	Unrepaired []UnrepairedWindow
	// OtherKinds counts, by kind, the windows of clauses 3 to 7. No change of
	// instructions closes them.
	OtherKinds map[string]int

	file *objfile.File
}

// NewPlan plans the repair of the windows of a binary in which its runtime preempts.
// The file has to stay open until the plan is written.
func NewPlan(f *objfile.File) (*Plan, error) {
	finder, err := window.Open(f)
	if err != nil {
		return nil, err
	}
	windows, err := finder.Find()
	if err != nil {
		return nil, err
	}
	table := finder.Table()
	p := &Plan{file: f, OtherKinds: map[string]int{}}
	windows = pointerWindows(windows, p.OtherKinds)
	saved := proveScratchSaved(f, table)
	reached := branchTargets(f, windows)
	for _, w := range windows {
		c, reason := change(f, table, w)
		switch {
		case reason != "":
		case reached[w.PC] != "":
			reason = reached[w.PC]
		case saved != nil:
			reason = saved.Error()
		}
		if reason != "" {
			p.Unrepaired = append(p.Unrepaired, UnrepairedWindow{w, reason})
			continue
		}
		p.Changes = append(p.Changes, c)
	}
	return p, nil
}

// pointerWindows returns the windows of the stack and frame pointer, and counts the others.
func pointerWindows(windows []window.Window, others map[string]int) []window.Window {
	return slices.DeleteFunc(windows, func(w window.Window) bool {
		other := w.Class != window.SP && w.Class != window.FP
		if other {
			others[w.Kind()]++
		}
		return other
	})
}

// change returns how to close a window, or the reason why that is not possible.
func change(f *objfile.File, table *pclntab.Table, w window.Window) (c Change, reason string) {
	fn, ok := table.PCToFunc(w.PC)
	if !ok || !w.Pair || w.PC < fn.Entry+4 {
		return c, "not between the two ADDs of one adjustment"
	}
	code, err := f.Bytes(w.PC-4, fn.End-w.PC+4)
	if err != nil {
		return c, err.Error()
	}
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(code[4*i:]) }
	c = Change{Window: w, Before: [2]uint32{word(0), word(1)}}
	to := uint32(arm64.SP)
	if w.Class == window.FP {
		to = arm64.FP
	}
	c.After = repairPair(c.Before)
	if c.Before[0]&0x1f != to || c.Before[1]&0x1f != to || c.Before[1]>>5&0x1f != to {
		return c, "not an addition to one register"
	}
	if fn.DeferReturn() != 0 && uint64(fn.DeferReturn()) == w.Offset() {
		return c, "a recovered panic returns to its middle"
	}
	const epilogue = 64 // instructions that may follow up to the return
	if !scratchIsDead(code[8:min(len(code), 8+4*epilogue)]) {
		return c, fmt.Sprintf("R%d may be used after it", scratch)
	}
	return c, ""
}

// repairPair returns the repaired form of a pair. The first instruction keeps its
// constant and its source. The second keeps its constant and its destination.
func repairPair(before [2]uint32) [2]uint32 {
	return [2]uint32{before[0]&^0x1f | scratch, before[1]&^(0x1f<<5) | scratch<<5}
}

// scratchIsDead reports whether the scratch register is dead before some code. It is dead
// if the code runs in a straight line to a return, and no instruction on the way names
// the register.
func scratchIsDead(code []byte) bool {
	for ; len(code) >= 4; code = code[4:] {
		switch word := binary.LittleEndian.Uint32(code); {
		case word == arm64.Ret:
			return true
		case names(word):
			return false
		default:
			if flow, _, _ := arm64.FlowOf(word); flow != arm64.FlowNext {
				return false
			}
		}
	}
	return false
}

// names reports whether any field of a word that may hold a register has the scratch
// register's number.
func names(word uint32) bool {
	if rd, rn, _, ok := arm64.AddImmediate(word); ok {
		return rd == scratch || rn == scratch
	}
	for _, shift := range []uint{0, 5, 10, 16} {
		if word>>shift&0x1f == scratch {
			return true
		}
	}
	return false
}
