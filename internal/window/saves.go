package window

import (
	"fmt"

	"splitadd/internal/arm64"
)

// Clause 3, saves: nothing that is needed later lies below the stack pointer,
// where a preemption writes.
//
// sigctxt.pushCall (runtime/signal_arm64.go) and the frames of asyncPreempt and
// asyncPreempt2 take the bytes below the stack pointer. The prologue of a frame
// above 240 bytes stores R29 and R30 at the new stack pointer before it sets it,
// for the sake of signal handlers that look there, and is marked unsafe for that
// reason (cmd/internal/obj/arm64/obj7.go, the comment beside StartUnsafePoint).

// An access is a load or store at a known distance from the stack pointer at
// the function's entry.
type access struct {
	at    int64
	bytes int64
}

func (a access) overlaps(b access) bool { return a.at < b.at+b.bytes && b.at < a.at+a.bytes }

// A layout has the stack pointer and the accesses of each instruction, as far as a walk
// could follow them.
type layout struct {
	known  []bool
	sp     []int64 // before the instruction
	stores map[int]access
	loads  map[int]access
}

// accessLayout reads the layout from a finished walk.
func (b *body) accessLayout(w *walk) layout {
	l := layout{make([]bool, b.len()), make([]int64, b.len()), map[int]access{}, map[int]access{}}
	w.eachState(func(i int, regs *registers) {
		if l.known[i] || regs[arm64.SP].kind != fromEntry {
			return
		}
		l.known[i], l.sp[i] = true, regs[arm64.SP].n
		m := b.effect(i).Mem
		if m.Base < 0 || m.Base > 31 || m.Index != arm64.NoRegister || regs[m.Base].kind != fromEntry || m.Bytes() == 0 {
			return
		}
		a := access{regs[m.Base].n + int64(m.Disp), int64(m.Bytes())}
		if m.Store {
			l.stores[i] = a
		}
		if m.Load {
			l.loads[i] = a
		}
	})
	return l
}

// loaded reports whether any instruction loads from a place. A store that is never
// loaded is for the unwinder. For example, go1.23 and go1.24 make such stores around a
// call of duffzero.
func (l *layout) loaded(a access) bool {
	for _, load := range l.loads {
		if load.overlaps(a) {
			return true
		}
	}
	return false
}

// maxSavesBelow bounds the stores below the stack pointer that are followed in one
// function. A prologue has two.
const maxSavesBelow = 16

// lostSaves reports the boundaries at which a preemption overwrites a value that was
// stored below the stack pointer and is loaded later on. It returns false if the
// function has more than maxBelow of these stores.
func (b *body) lostSaves(l layout, p *preemption, report func(i int, detail string)) bool {
	followed := 0
	for i := range b.len() {
		a, ok := l.stores[i]
		if !ok || i+1 == b.len() || !l.known[i+1] || a.at >= l.sp[i+1]-pushCallLeaves || !l.loaded(a) {
			continue
		}
		if followed++; followed > maxSavesBelow {
			return false
		}
		b.whileBelowStack(l, a, i+1, func(at int) {
			if _, ok := b.preemptible(at); !ok || !a.overlaps(access{l.sp[at] - p.writesBelow, p.writesBelow - pushCallLeaves}) {
				return
			}
			if read, ok := b.nextLoad(l, a, at); ok {
				report(at, fmt.Sprintf("what +%#x saved %d bytes below the stack pointer is overwritten by a preemption, and +%#x loads it", 4*i, l.sp[at]-a.at, 4*read))
			}
		})
	}
	return true
}

// whileBelowStack visits the instructions from one on, along every branch, while a place
// lies below the stack pointer and no other store has overwritten it.
func (b *body) whileBelowStack(l layout, a access, from int, visit func(i int)) {
	b.forEachAfter(from, func(i int) bool {
		if !l.known[i] || a.at >= l.sp[i]-pushCallLeaves {
			return false
		}
		visit(i)
		store, ok := l.stores[i]
		return !ok || !store.overlaps(a)
	})
}

// nextLoad returns the first instruction, from one on along every branch, that loads from a
// place, if no store to the place comes before it.
func (b *body) nextLoad(l layout, a access, from int) (at int, ok bool) {
	b.forEachAfter(from, func(i int) bool {
		if load, loads := l.loads[i]; loads && load.overlaps(a) && !ok {
			at, ok = i, true
		}
		store, stores := l.stores[i]
		return !ok && (!stores || !store.overlaps(a))
	})
	return at, ok
}

// forEachAfter visits instructions from one on along every branch, each once. It does not go
// on past one for which visit returns false.
func (b *body) forEachAfter(from int, visit func(i int) bool) {
	seen := newBitset(b.len())
	b.budget.Work(b.len())
	work := []int32{int32(from)}
	for len(work) > 0 {
		i := work[len(work)-1]
		work = work[:len(work)-1]
		if seen.has(int(i)) {
			continue
		}
		seen.add(int(i))
		if visit(int(i)) {
			work = append(work, b.successors(int(i))...)
		}
	}
}
