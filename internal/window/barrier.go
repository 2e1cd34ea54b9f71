package window

import (
	"fmt"
	"slices"

	"splitadd/internal/arm64"
)

// Clause 7, barrier: no safe point from the load of runtime.writeBarrier to the
// stores that it guards, on either branch.
//
// Compiled code loads the flag, branches on it, and stores with or without the
// barrier (cmd/compile/internal/ssa/writebarrier.go). If the collector starts
// between the load and a store, a store without the barrier hides a pointer from
// it. The compiler marks these instructions unsafe
// (cmd/compile/internal/liveness/plive.go, markUnsafePoints). In go1.21.0 with
// -N it does not mark an empty block of the branch (golang/go#61958).

// barriers reports the boundaries between a load of the flag and the stores that
// it guards.
func (b *body) barriers(flag barrierFlag, report func(i int, detail string)) {
	if !flag.known {
		return
	}
	for i := range b.len() {
		found, load := readFlagAt(b.code, b.fn.Entry, i)
		if found != flag {
			continue
		}
		for _, at := range b.guardedStores(load) {
			if resume, ok := b.preemptible(at); ok && resume > load {
				report(at, fmt.Sprintf("between the load of the write barrier's flag at +%#x and the store that it guards", 4*load))
			}
		}
	}
}

// Bounds of what is followed from the load of the flag: instructions in one
// block, and places that are stored to.
const (
	maxBlock     = 64
	maxAddresses = 16
)

// guardedStores returns the instructions before which no preemption may come: from the
// one after the load of the flag up to the last guarded store on each branch. The
// next call reuses the memory of the result.
//
// The branch with the barrier loads the values that the stores overwrite, and puts
// them into the barrier's buffer, which R25 points at. So a store is guarded if it
// goes to a place that the branch has loaded from. If there are no such places, the
// first store that is not to the stack is guarded.
func (b *body) guardedStores(load int) []int {
	unsafe := b.unsafe[:0]
	branch := load + 1
	for ; ; branch++ {
		if branch >= b.len() || branch > load+2*maxFlagDistance {
			return nil
		}
		unsafe = append(unsafe, branch)
		if flow, _, _ := arm64.FlowOf(b.word(branch)); flow != arm64.FlowNext {
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
	private, from := b.branchWithoutBarrier(off) // of the branch without the barrier
	with, meet, places, ok := b.branchWithBarrier(on, private, from, unsafe)
	if !ok {
		return nil // they do not meet before the next branch: not what the compiler writes
	}
	last := -1 // its last store: up to go1.20 the stores are on the branches, not after them
	for k, at := range private {
		if at == meet {
			private = private[:k]
			break
		}
		if m := b.effect(at).Mem; m.Store && outsideFrame(&m) {
			last = k
		}
	}
	if last >= 0 {
		with = append(with, private[:last+1]...)
	} else {
		with = b.throughStores(meet, places, append(with, private...))
	}
	b.unsafe = with
	return with
}

// branchWithoutBarrier returns the instructions of the branch without the barrier, in a straight
// line up to the first jump, and the target of an unconditional jump at its end, or -1
// if there is none. The next call reuses the memory of the result.
func (b *body) branchWithoutBarrier(off int) (line []int, to int) {
	line = b.line[:0]
	to = -1
	for at := off; at < b.len() && len(line) < maxBlock; at++ {
		line = append(line, at)
		flow, offset, _ := arm64.FlowOf(b.word(at))
		if flow == arm64.FlowBranch {
			to = at + int(offset/4)
		}
		if flow != arm64.FlowNext {
			break
		}
	}
	b.line = line
	return line, to
}

// branchWithBarrier appends the instructions of the branch with the barrier, up to where
// it meets the other one. It also returns the instruction where they meet, and the
// places outside the frame that it loads from.
func (b *body) branchWithBarrier(on int, line []int, to int, unsafe []int) (with []int, meet int, places []address, ok bool) {
	places = b.places[:0]
	for at, n := on, 0; at >= 0 && at < b.len() && n < maxBlock; n++ {
		if at == to || len(line) > 0 && at >= line[0] && at <= line[len(line)-1] {
			b.places = places
			return unsafe, at, places, true
		}
		unsafe = append(unsafe, at)
		e := b.effect(at)
		if m := &e.Mem; m.Load && m.Size == 8 && outsideFrame(m) {
			for k := range int32(m.N) {
				if len(places) < maxAddresses {
					places = append(places, addressOf(m, k))
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

// throughStores appends the instructions from one on up to the last store to one of the
// places. If there are no places, it goes up to the first store outside the frame.
func (b *body) throughStores(from int, places []address, unsafe []int) []int {
	any, last := len(places) == 0, len(unsafe)
	for at := from; at < b.len() && at < from+maxBlock; at++ {
		e := b.effect(at)
		unsafe = append(unsafe, at)
		if m := &e.Mem; m.Store && outsideFrame(m) {
			for k := range int32(m.N) {
				p := addressOf(m, k)
				if i := slices.Index(places, p); i >= 0 {
					places[i] = places[len(places)-1]
					places = places[:len(places)-1]
				} else if !any {
					continue
				}
				last = len(unsafe)
			}
		}
		places = slices.DeleteFunc(places, func(p address) bool {
			return e.Writes.Has(int(p.base)) || p.index >= 0 && e.Writes.Has(int(p.index))
		})
		if len(places) == 0 && (!any || last == len(unsafe)) || e.Jump.Kind != arm64.JumpNone {
			break
		}
	}
	return unsafe[:last]
}

// An address is a place in memory, given by registers that do not change between the
// accesses.
type address struct {
	base, index int8
	shift       uint8
	disp        int32
}

func addressOf(m *arm64.Memory, k int32) address {
	return address{m.Base, m.Index, m.Shift, m.Disp + k*int32(m.Size)}
}

// outsideFrame reports whether an access is outside the frame and the barrier's buffer.
func outsideFrame(m *arm64.Memory) bool {
	return m.Base >= 0 && m.Base != arm64.SP && m.Base != bufferRegister
}

// bufferRegister is the register in which gcWriteBarrier returns a pointer into the barrier's
// buffer (runtime/asm_arm64.s).
const bufferRegister = 25
