// Package repair closes windows in a finished binary: at the same length, with no
// partial state at any boundary.
//
// Where the assembler adds in two steps to the pointer itself,
//
//	ADD $low, RSP, RSP              ADD $low, RSP, R29
//	ADD $high, RSP, RSP             ADD $high, R29, R29
//
// the repaired code takes its first step in a scratch register:
//
//	ADD $low, RSP, R16              ADD $low, RSP, R16
//	ADD $high, R16, RSP             ADD $high, R16, R29
//
// so that the pointer is written once, by the second instruction, and the sum is
// the same for every frame. R16 is dead at a return, and asyncPreempt saves it:
// both are proved from the binary.
package repair

import (
	"encoding/binary"
	"fmt"

	"splitadd/internal/arm64"
	"splitadd/internal/objfile"
	"splitadd/internal/pclntab"
	"splitadd/internal/window"
)

// Scratch is the register that holds the partial sum: the platform's ABI lets a
// linker use it between functions, so that no result is ever in it.
const Scratch = 16

// A Change is a window that is closed.
type Change struct {
	window.Window
	Before, After [2]uint32 // the pair: the window is at the second
}

// A Left is a window that is not closed, and why.
type Left struct {
	window.Window
	Reason string
}

// A Plan is what can be done for a binary.
type Plan struct {
	Changes []Change
	Left    []Left

	file *objfile.File
}

// Of plans the repair of a binary: of the windows in which its runtime preempts.
// The file has to stay open until the plan is written.
func Of(f *objfile.File) (*Plan, error) {
	finder, err := window.Open(f)
	if err != nil {
		return nil, err
	}
	windows, err := finder.Find()
	if err != nil {
		return nil, err
	}
	table := finder.Table()
	p := &Plan{file: f}
	saved := saves(f, table)
	reached := reached(f, windows)
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
			p.Left = append(p.Left, Left{w, reason})
			continue
		}
		p.Changes = append(p.Changes, c)
	}
	return p, nil
}

// change returns how to close a window, or why it cannot be.
func change(f *objfile.File, table *pclntab.Table, w window.Window) (c Change, reason string) {
	fn, ok := table.Find(w.PC)
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
	c.After = repaired(c.Before)
	if c.Before[0]&0x1f != to || c.Before[1]&0x1f != to || c.Before[1]>>5&0x1f != to {
		return c, "not an addition to one register"
	}
	if fn.DeferReturn() != 0 && uint64(fn.DeferReturn()) == w.Offset() {
		return c, "a recovered panic returns to its middle"
	}
	const epilogue = 64 // instructions that may follow up to the return
	if !dead(code[8:min(len(code), 8+4*epilogue)]) {
		return c, fmt.Sprintf("R%d may be used after it", Scratch)
	}
	return c, ""
}

// repaired returns what a pair becomes: the first keeps its constant and its
// source, the second its constant and its destination.
func repaired(before [2]uint32) [2]uint32 {
	return [2]uint32{before[0]&^0x1f | Scratch, before[1]&^(0x1f<<5) | Scratch<<5}
}

// dead reports whether the scratch register is dead before some code: a return
// follows, in a straight line, and nothing before it so much as names it.
func dead(code []byte) bool {
	for ; len(code) >= 4; code = code[4:] {
		switch word := binary.LittleEndian.Uint32(code); {
		case word == arm64.Ret:
			return true
		case names(word):
			return false
		default:
			if flow, _, _ := arm64.Control(word); flow != arm64.Next {
				return false
			}
		}
	}
	return false
}

// names reports whether any field of a word in which a register may stand has
// the scratch register's number.
func names(word uint32) bool {
	if rd, rn, _, ok := arm64.AddImmediate(word); ok {
		return rd == Scratch || rn == Scratch
	}
	for _, shift := range []uint{0, 5, 10, 16} {
		if word>>shift&0x1f == Scratch {
			return true
		}
	}
	return false
}

// reached says which windows something else than the instruction before leads
// to: a direct branch, from anywhere, or a word of the file that is the address,
// as in a table of jumps.
func reached(f *objfile.File, windows []window.Window) map[uint64]string {
	found := map[uint64]string{}
	least, most := ^uint64(0), uint64(0)
	at := map[uint64]bool{}
	for _, w := range windows {
		at[w.PC] = true
		least, most = min(least, w.PC), max(most, w.PC)
	}
	if len(windows) == 0 {
		return found
	}
	for _, s := range f.Segments {
		f.Budget.Work(len(s.Data) / 4)
		for i := int(-s.Addr & 7); i+8 <= len(s.Data); i += 8 {
			if word := binary.LittleEndian.Uint64(s.Data[i:]); word-least <= most-least && at[word] {
				found[word] = fmt.Sprintf("the word at %#x leads to its middle", s.Addr+uint64(i))
			}
		}
		if !s.Exec {
			continue
		}
		for i := int(-s.Addr & 3); i+4 <= len(s.Data); i += 4 {
			_, offset, direct := arm64.Control(binary.LittleEndian.Uint32(s.Data[i:]))
			if pc := s.Addr + uint64(i); direct && at[pc+uint64(offset)] {
				found[pc+uint64(offset)] = fmt.Sprintf("the branch at %#x leads to its middle", pc)
			}
		}
	}
	return found
}

// errUnsaved is why nothing is repaired where asyncPreempt does not save the
// scratch register, or where it is not found.
var errUnsaved = fmt.Errorf("that runtime.asyncPreempt saves R%d is not to be seen", Scratch)

// saves proves that the runtime's asyncPreempt gives the scratch register back
// as it was: it stores it in its frame before it writes to it, loads it from
// there after its call, and does not write to it again
// (runtime/preempt_arm64.s, by runtime/mkpreempt.go).
func saves(f *objfile.File, table *pclntab.Table) error {
	fn, ok := table.Named("runtime.asyncPreempt")
	if !ok {
		return errUnsaved
	}
	code, err := f.Bytes(fn.Entry, (fn.End-fn.Entry)&^3)
	if err != nil {
		return err
	}
	if !saved(code) {
		return errUnsaved
	}
	return nil
}

// saved reports whether a function that runs in a straight line, with one call,
// saves the scratch register round it.
func saved(code []byte) bool {
	slot, stored, called, loaded := int64(0), false, false, false
	for ; len(code) >= 4; code = code[4:] {
		word := binary.LittleEndian.Uint32(code)
		flow, _, _ := arm64.Control(word)
		if flow == arm64.Leave {
			return loaded
		}
		access, ok := arm64.AccessOf(word)
		_, _, _, writesBack := arm64.Writeback(word)
		own := ok && access.Rn == arm64.SP && !writesBack
		at := access.N
		if access.Rt2 == Scratch {
			at += 8
		}
		holds := own && (access.Rt == Scratch || access.Rt2 == Scratch)
		switch {
		case flow == arm64.Call:
			if !stored || called {
				return false
			}
			called = true
		case flow != arm64.Next:
			return false
		case holds && !access.Load && !called:
			slot, stored = at, true
		case own && !access.Load && stored && (access.N == slot || access.Rt2 != 31 && access.N+8 == slot):
			return false // something else is put there
		case holds && access.Load && called && at == slot:
			loaded = true
		case arm64.Writes(word).Has(Scratch) && (!stored || loaded):
			return false
		case arm64.Writes(word).Has(arm64.SP) && stored && !loaded:
			return false // the slot would be another
		}
	}
	return false
}
