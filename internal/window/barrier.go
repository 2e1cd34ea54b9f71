package window

import (
	"fmt"
	"slices"
	"strings"

	"splitadd/internal/arm64"
	"splitadd/internal/objfile"
	"splitadd/internal/pclntab"
)

// Clause 7, barrier: no safe point from the load of runtime.writeBarrier to the
// stores that it guards, on either branch.
//
// Compiled code loads the flag, branches on it, and stores with or without the
// barrier (cmd/compile/internal/ssa/writebarrier.go). If the collector starts
// between the load and a store, a store without the barrier hides a pointer from
// it. The compiler marks these instructions unsafe
// (cmd/compile/internal/liveness/plive.go, markUnsafePoints). In go1.21.0 with
// -N the empty block of the branch was not (golang/go#61958).

// A barrierFlag is where compiled code finds the flag.
type barrierFlag struct {
	known    bool
	addr     uint64
	indirect bool // addr holds the address of the flag: position-independent code
}

// reach is how many instructions may lie between the address of the flag and its
// load, and between its load and the branch.
const reach = 8

// flagOf finds the flag's address: the one that is loaded and branched on before
// most calls of runtime.gcWriteBarrier and its relatives. Symbols are not used,
// since most programs that are shipped have none.
func flagOf(f *objfile.File, table *pclntab.Table) barrierFlag {
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
			flag, load := flagAt(code, fn.Entry, at)
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

// flagAt reads, at an ADRP, the address of 32 bits that are loaded right after
// it, and returns the instruction that loads them.
func flagAt(code []byte, entry uint64, i int) (flag barrierFlag, load int) {
	w := wordAt(code, i)
	if w&0x9f000000 != 0x90000000 {
		return flag, 0
	}
	page, _ := arm64.Decode(w)
	base := page.Value.Rd
	addr := (entry+uint64(4*i))&^0xfff + uint64(page.Value.N)
	for at := i + 1; at <= i+reach && at < len(code)/4; at++ {
		e, ok := arm64.Decode(wordAt(code, at))
		m := &e.Mem
		switch {
		case !ok || e.Jump.Kind != arm64.JumpNone:
			return flag, 0
		case m.Load && m.Base == base && m.N == 1 && m.Index == arm64.None && !m.Vector && !m.Updates:
			addr += uint64(int64(m.Disp))
			if m.Size == 4 {
				flag.addr, flag.known = addr, true
				return flag, at
			}
			if m.Size == 8 && at+1 < len(code)/4 && loads32(wordAt(code, at+1), m.Regs[0]) {
				return barrierFlag{known: true, addr: addr, indirect: true}, at + 1
			}
			return flag, 0
		case e.Value.Kind == arm64.Add && e.Value.Rn == base && e.Value.Rd < 31:
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
	for at := load + 1; at <= load+3*reach && at < len(code)/4; at++ {
		e, ok := arm64.Decode(wordAt(code, at))
		if !ok {
			return false
		}
		switch e.Jump.Kind {
		case arm64.JumpZero, arm64.JumpNonzero:
			branched = true
		case arm64.JumpCall:
			fn, ok := table.Find(entry + uint64(4*at) + uint64(int64(e.Jump.Offset)))
			return ok && branched && strings.HasPrefix(fn.Name(), "runtime.gcWriteBarrier")
		}
	}
	return false
}

// barriers reports the boundaries between a load of the flag and the stores that
// it guards.
func (b *body) barriers(flag barrierFlag, report func(i int, detail string)) {
	if !flag.known {
		return
	}
	for i := range b.len() {
		found, load := flagAt(b.code, b.fn.Entry, i)
		if found != flag {
			continue
		}
		for _, at := range b.guarded(load) {
			if resume, ok := b.preemptible(at); ok && resume > load {
				report(at, fmt.Sprintf("between the load of the write barrier's flag at +%#x and the store that it guards", 4*load))
			}
		}
	}
}

// Bounds of what is followed from the load of the flag: instructions in one
// block, and places that are stored to.
const (
	maxBlock  = 64
	maxPlaces = 16
)

// guarded returns the instructions before which no preemption may come: from the
// one after the load of the flag up to the last guarded store on each branch, in
// memory that the next call reuses.
//
// On the branch with the barrier, the values that the stores overwrite are
// loaded for the barrier's buffer, which R25 points at. So the stores that are
// guarded are those to where these were loaded from. If there are none, it is
// the first store that is not to the stack.
func (b *body) guarded(load int) []int {
	unsafe := b.unsafe[:0]
	branch := load + 1
	for ; ; branch++ {
		if branch >= b.len() || branch > load+2*reach {
			return nil
		}
		unsafe = append(unsafe, branch)
		if flow, _, _ := arm64.Control(b.word(branch)); flow != arm64.Next {
			break
		}
	}
	kind := b.jump(branch).Kind
	if kind != arm64.JumpZero && kind != arm64.JumpNonzero {
		return nil // the flag is read for something else
	}
	target, _ := b.target(branch)
	on, off := branch+1, int(target-b.fn.Entry)/4
	if kind == arm64.JumpNonzero {
		on, off = off, on
	}
	if on < 0 || off < 0 || on >= b.len() || off >= b.len() {
		return unsafe
	}
	private, from := b.without(off) // of the branch without the barrier
	with, meet, places, ok := b.withBarrier(on, private, from, unsafe)
	if !ok {
		return nil // they do not meet before the next branch: not what the compiler writes
	}
	last := -1 // the last of its instructions that stores: up to go1.20 it has the stores to itself
	for k, at := range private {
		if at == meet {
			private = private[:k]
			break
		}
		if m := b.effect(at).Mem; m.Store && outside(&m) {
			last = k
		}
	}
	if last >= 0 {
		with = append(with, private[:last+1]...)
	} else {
		with = b.stores(meet, places, append(with, private...))
	}
	b.unsafe = with
	return with
}

// without returns the instructions of the branch without the barrier, in a straight
// line up to the first branch, and where an unconditional branch at its end leads,
// or -1. The memory is reused by the next call.
func (b *body) without(off int) (line []int, to int) {
	line = b.line[:0]
	to = -1
	for at := off; at < b.len() && len(line) < maxBlock; at++ {
		line = append(line, at)
		flow, offset, _ := arm64.Control(b.word(at))
		if flow == arm64.Branch {
			to = at + int(offset/4)
		}
		if flow != arm64.Next {
			break
		}
	}
	b.line = line
	return line, to
}

// withBarrier appends the instructions of the branch with the barrier, up to where
// it meets the other one, and returns that and the places outside the frame that it
// loads from.
func (b *body) withBarrier(on int, line []int, to int, unsafe []int) (with []int, meet int, places []place, ok bool) {
	places = b.places[:0]
	for at, n := on, 0; at >= 0 && at < b.len() && n < maxBlock; n++ {
		if at == to || len(line) > 0 && at >= line[0] && at <= line[len(line)-1] {
			b.places = places
			return unsafe, at, places, true
		}
		unsafe = append(unsafe, at)
		e := b.effect(at)
		if m := &e.Mem; m.Load && m.Size == 8 && outside(m) {
			for k := range int32(m.N) {
				if len(places) < maxPlaces {
					places = append(places, placeOf(m, k))
				}
			}
		}
		switch e.Jump.Kind {
		case arm64.JumpAlways:
			at += int(e.Jump.Offset) / 4
			continue
		case arm64.JumpNone, arm64.JumpCall:
		default:
			return unsafe, 0, nil, false
		}
		at++
	}
	return unsafe, 0, nil, false
}

// stores appends the instructions from one on up to the last store to one of the
// places, or the first store outside the frame if there are none.
func (b *body) stores(from int, places []place, unsafe []int) []int {
	any, last := len(places) == 0, len(unsafe)
	for at := from; at < b.len() && at < from+maxBlock; at++ {
		e := b.effect(at)
		unsafe = append(unsafe, at)
		if m := &e.Mem; m.Store && outside(m) {
			for k := range int32(m.N) {
				p := placeOf(m, k)
				if i := slices.Index(places, p); i >= 0 {
					places[i] = places[len(places)-1]
					places = places[:len(places)-1]
				} else if !any {
					continue
				}
				last = len(unsafe)
			}
		}
		places = slices.DeleteFunc(places, func(p place) bool {
			return e.Writes.Has(int(p.base)) || p.index >= 0 && e.Writes.Has(int(p.index))
		})
		if len(places) == 0 && (!any || last == len(unsafe)) || e.Jump.Kind != arm64.JumpNone {
			break
		}
	}
	return unsafe[:last]
}

// A place is where a store goes, in terms of registers that do not change
// meanwhile.
type place struct {
	base, index int8
	shift       uint8
	disp        int32
}

func placeOf(m *arm64.Memory, k int32) place {
	return place{m.Base, m.Index, m.Shift, m.Disp + k*int32(m.Size)}
}

// outside reports whether an access is outside the frame and the barrier's buffer.
func outside(m *arm64.Memory) bool {
	return m.Base >= 0 && m.Base != arm64.SP && m.Base != buffer
}

// buffer is the register in which gcWriteBarrier returns where the barrier's
// buffer has room (runtime/asm_arm64.s).
const buffer = 25
