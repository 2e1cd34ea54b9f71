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

// scratchReg is the register that holds the partial sum in repaired code. The platform's ABI
// lets a linker overwrite it between functions (IP0), so no function returns a result in it.
const scratchReg = 16

// A RepairedWindow is a window that the repair closes.
type RepairedWindow struct {
	window.Window
	Before, After [2]uint32 // the words of the pair; the window is at the second
}

// An UnrepairedWindow is a window that the repair does not close.
type UnrepairedWindow struct {
	window.Window
	Reason string
}

// A Plan is a plan to close the windows of a binary. The repaired code has the same length, and
// the stack pointer and frame pointer never hold a partial sum at an instruction boundary.
//
// Where the assembler adds a constant in two steps to the pointer itself,
//
//	ADD $low, RSP, RSP              ADD $low, RSP, R29
//	ADD $high, RSP, RSP             ADD $high, R29, R29
//
// the repaired code has the partial sum in a scratch register:
//
//	ADD $low, RSP, R16              ADD $low, RSP, R16
//	ADD $high, R16, RSP             ADD $high, R16, R29
//
// Only the second instruction writes the pointer, and the sum is the same. R16 must be dead at
// the return, and asyncPreempt must save it. NewPlan proves both from the binary.
type Plan struct {
	Repaired   []RepairedWindow
	Unrepaired []UnrepairedWindow
	// OtherKinds has the number of windows of clauses 3 to 7, by kind. A repair does not
	// close them.
	OtherKinds map[string]int

	file *objfile.File
}

// NewPlan plans the repair of the windows of a binary in which its runtime preempts. The file
// must stay open until the plan is written.
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
	scratchErr := checkScratchSaved(f, table)
	branchedTo := branchTargets(f, windows)
	for _, w := range windows {
		c, reason := planRepair(f, table, w)
		switch {
		case reason != "":
		case branchedTo[w.PC] != "":
			reason = branchedTo[w.PC]
		case scratchErr != nil:
			reason = scratchErr.Error()
		}
		if reason != "" {
			p.Unrepaired = append(p.Unrepaired, UnrepairedWindow{w, reason})
			continue
		}
		p.Repaired = append(p.Repaired, c)
	}
	return p, nil
}

// pointerWindows returns the windows of the classes SP and FP, and counts the others by kind.
// It overwrites windows.
func pointerWindows(windows []window.Window, others map[string]int) []window.Window {
	return slices.DeleteFunc(windows, func(w window.Window) bool {
		isOther := w.Class != window.SP && w.Class != window.FP
		if isOther {
			others[w.Kind()]++
		}
		return isOther
	})
}

// planRepair returns how to close a window, or the reason why that is not possible.
func planRepair(f *objfile.File, table *pclntab.Table, w window.Window) (c RepairedWindow, reason string) {
	fn, ok := table.PCToFunc(w.PC)
	if !ok || !w.Pair || w.PC < fn.Entry+4 {
		return c, "not between the two ADDs of one adjustment"
	}
	code, err := f.Bytes(w.PC-4, fn.End-w.PC+4)
	if err != nil {
		return c, err.Error()
	}
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(code[4*i:]) }
	c = RepairedWindow{Window: w, Before: [2]uint32{word(0), word(1)}}
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
		return c, fmt.Sprintf("R%d may be used after it", scratchReg)
	}
	return c, ""
}

// repairPair returns the repaired words of a pair. The first instruction keeps its constant and
// its source. The second keeps its constant and its destination.
func repairPair(before [2]uint32) [2]uint32 {
	return [2]uint32{before[0]&^0x1f | scratchReg, before[1]&^(0x1f<<5) | scratchReg<<5}
}

// scratchIsDead reports whether the scratch register is dead at the beginning of code: whether
// the code runs in a straight line to a return, and no instruction before the return
// mentions the register.
func scratchIsDead(code []byte) bool {
	for ; len(code) >= 4; code = code[4:] {
		switch word := binary.LittleEndian.Uint32(code); {
		case word == arm64.Ret:
			return true
		case mentionsScratch(word):
			return false
		default:
			if flow, _, _ := arm64.FlowOf(word); flow != arm64.FlowNext {
				return false
			}
		}
	}
	return false
}

// mentionsScratch reports whether a field of a word that may be a register has the number of
// the scratch register.
func mentionsScratch(word uint32) bool {
	if rd, rn, _, ok := arm64.AddImmediate(word); ok {
		return rd == scratchReg || rn == scratchReg
	}
	for _, shift := range []uint{0, 5, 10, 16} {
		if word>>shift&0x1f == scratchReg {
			return true
		}
	}
	return false
}
