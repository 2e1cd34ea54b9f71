package patch

import (
	"encoding/binary"
	"fmt"

	"splitadd/internal/arm64"
	"splitadd/internal/objfile"
	"splitadd/internal/pclntab"
	"splitadd/internal/window"
)

// branchTargets returns the windows that code may reach other than from the instruction before,
// by address, each with the reason. The reason is a direct branch anywhere in the file, or a
// word of the file that equals the address, as in a jump table.
func branchTargets(f *objfile.File, windows []window.Window) map[uint64]string {
	found := map[uint64]string{}
	lowest, highest := ^uint64(0), uint64(0)
	isWindow := map[uint64]bool{}
	for _, w := range windows {
		isWindow[w.PC] = true
		lowest, highest = min(lowest, w.PC), max(highest, w.PC)
	}
	if len(windows) == 0 {
		return found
	}
	for _, s := range f.Segments {
		f.Budget.Work(len(s.Data) / 4)
		for i := int(-s.Addr & 7); i+8 <= len(s.Data); i += 8 {
			if word := binary.LittleEndian.Uint64(s.Data[i:]); word-lowest <= highest-lowest && isWindow[word] {
				found[word] = fmt.Sprintf("the word at %#x leads to its middle", s.Addr+uint64(i))
			}
		}
		if !s.Exec {
			continue
		}
		for i := int(-s.Addr & 3); i+4 <= len(s.Data); i += 4 {
			_, offset, direct := arm64.FlowOf(binary.LittleEndian.Uint32(s.Data[i:]))
			if pc := s.Addr + uint64(i); direct && isWindow[pc+uint64(offset)] {
				found[pc+uint64(offset)] = fmt.Sprintf("the branch at %#x leads to its middle", pc)
			}
		}
	}
	return found
}

// errUnsaved is the reason not to repair a binary in which asyncPreempt is not found, or does
// not save the scratch register.
var errUnsaved = fmt.Errorf("nothing shows that runtime.asyncPreempt saves R%d", scratchReg)

// checkScratchSaved returns an error if it is not certain that the runtime's asyncPreempt saves
// and restores the scratch register.
// AsyncPreempt has to store the register in its frame before it writes to the register,
// load it from there after its call, and not write to it again
// (runtime/preempt_arm64.s, by runtime/mkpreempt.go).
func checkScratchSaved(f *objfile.File, table *pclntab.Table) error {
	fn, ok := table.LookupFunc("runtime.asyncPreempt")
	if !ok {
		return errUnsaved
	}
	code, err := f.Bytes(fn.Entry, (fn.End-fn.Entry)&^3)
	if err != nil {
		return err
	}
	if !savesScratch(code) {
		return errUnsaved
	}
	return nil
}

// savesScratch reports whether a function saves the scratch register on the stack around its
// call. It returns false for a function that branches or has more than one call.
func savesScratch(code []byte) bool {
	slot, stored, called, loaded := int64(0), false, false, false
	for ; len(code) >= 4; code = code[4:] {
		word := binary.LittleEndian.Uint32(code)
		flow, _, _ := arm64.FlowOf(word)
		if flow == arm64.FlowExit {
			return loaded
		}
		access, ok := arm64.AccessOf(word)
		_, _, _, writesBack := arm64.Writeback(word)
		isStackAccess := ok && access.Rn == arm64.SP && !writesBack
		offset := access.Offset
		if access.Rt2 == scratchReg {
			offset += 8
		}
		hasScratch := isStackAccess && (access.Rt == scratchReg || access.Rt2 == scratchReg)
		switch {
		case flow == arm64.FlowCall:
			if !stored || called {
				return false
			}
			called = true
		case flow != arm64.FlowNext:
			return false
		case hasScratch && !access.Load && !called:
			slot, stored = offset, true
		case isStackAccess && !access.Load && stored && (access.Offset == slot || access.Rt2 != 31 && access.Offset+8 == slot):
			return false // the slot is overwritten
		case hasScratch && access.Load && called && offset == slot:
			loaded = true
		case arm64.Writes(word).Has(scratchReg) && (!stored || loaded):
			return false
		case arm64.Writes(word).Has(arm64.SP) && stored && !loaded:
			return false // the offset of the slot changes
		}
	}
	return false
}
