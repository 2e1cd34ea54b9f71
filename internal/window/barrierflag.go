package window

import (
	"strings"

	"splitadd/internal/arm64"
	"splitadd/internal/objfile"
	"splitadd/internal/pclntab"
)

// A barrierFlag is the address at which compiled code finds the flag.
type barrierFlag struct {
	known    bool
	addr     uint64
	indirect bool // addr holds the address of the flag: position-independent code
}

// maxFlagDistance is how many instructions may lie between the address of the flag and its
// load, and between its load and the branch.
const maxFlagDistance = 8

// findFlag finds the flag's address: the one that is loaded and branched on before
// most calls of runtime.gcWriteBarrier and its relatives. Symbols are not used,
// since most programs that are shipped have none.
func findFlag(f *objfile.File, table *pclntab.Table) barrierFlag {
	const enough = 200 // sites; a program has thousands
	votes := map[barrierFlag]int{}
	total := 0
	var best barrierFlag
	for i := 0; i < table.Len() && total < enough; i++ {
		fn, err := table.Func(i)
		if err != nil || fn.Assembly() {
			continue
		}
		code, err := f.Bytes(fn.Entry, (fn.End-fn.Entry)&^3)
		if err != nil {
			continue
		}
		f.Budget.Work(len(code) / 4)
		for at := range len(code) / 4 {
			flag, load := readFlagAt(code, fn.Entry, at)
			if !flag.known || !callsBarrier(table, code, fn.Entry, load) {
				continue
			}
			votes[flag]++
			if total++; votes[flag] > votes[best] {
				best = flag
			}
		}
	}
	if 2*votes[best] <= total {
		return barrierFlag{}
	}
	return best
}

// readFlagAt reads, at an ADRP, the address of 32 bits that are loaded right after
// it, and returns the instruction that loads them.
func readFlagAt(code []byte, entry uint64, i int) (flag barrierFlag, load int) {
	w := wordAt(code, i)
	if w&0x9f000000 != 0x90000000 {
		return flag, 0
	}
	page, _ := arm64.Decode(w)
	base := page.Value.Rd
	addr := (entry+uint64(4*i))&^0xfff + uint64(page.Value.N)
	for at := i + 1; at <= i+maxFlagDistance && at < len(code)/4; at++ {
		e, ok := arm64.Decode(wordAt(code, at))
		m := &e.Mem
		switch {
		case !ok || e.Jump.Kind != arm64.JumpNone:
			return flag, 0
		case m.Load && m.Base == base && m.N == 1 && m.Index == arm64.NoRegister && !m.Vector && !m.WritesBack:
			addr += uint64(int64(m.Disp))
			if m.Size == 4 {
				flag.addr, flag.known = addr, true
				return flag, at
			}
			if m.Size == 8 && at+1 < len(code)/4 && loads32(wordAt(code, at+1), m.Regs[0]) {
				return barrierFlag{known: true, addr: addr, indirect: true}, at + 1
			}
			return flag, 0
		case e.Value.Kind == arm64.ValueAdd && e.Value.Rn == base && e.Value.Rd < 31:
			addr += uint64(e.Value.N)
			base = e.Value.Rd
		case e.Writes.Has(int(base)):
			return flag, 0
		}
	}
	return flag, 0
}

// loads32 reports whether a word loads the 32 bits that a register points at.
func loads32(w uint32, base int8) bool {
	e, ok := arm64.Decode(w)
	m := &e.Mem
	return ok && m.Load && m.Base == base && m.Size == 4 && m.Disp == 0 && m.N == 1 && !m.Vector
}

// callsBarrier reports whether the 32 bits that an instruction loads are
// branched on, and a call of the write barrier follows.
func callsBarrier(table *pclntab.Table, code []byte, entry uint64, load int) bool {
	branched := false
	for at := load + 1; at <= load+3*maxFlagDistance && at < len(code)/4; at++ {
		e, ok := arm64.Decode(wordAt(code, at))
		if !ok {
			return false
		}
		switch e.Jump.Kind {
		case arm64.JumpZero, arm64.JumpNonzero:
			branched = true
		case arm64.JumpCall:
			fn, ok := table.PCToFunc(entry + uint64(4*at) + uint64(int64(e.Jump.Offset)))
			return ok && branched && strings.HasPrefix(fn.Name(), "runtime.gcWriteBarrier")
		}
	}
	return false
}
