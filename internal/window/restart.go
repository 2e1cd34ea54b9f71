package window

import (
	"fmt"

	"splitadd/internal/arm64"
)

// Clause 6, restart: a restartable sequence does not overwrite its own inputs
// before its last instruction, and is short.
//
// A goroutine that is preempted inside such a sequence goes on at its first
// instruction (runtime/preempt.go, isAsyncSafePoint), so that the instructions
// before the interrupted one run twice. A sequence that begins more than 20
// bytes before the interrupted instruction makes the runtime throw "bad restart
// PC".

// maxRestart is the distance in bytes that isAsyncSafePoint allows.
const maxRestart = 20

// restarts reports the boundaries inside restartable sequences after which the
// sequence, run again, would not compute the same.
func (b *body) restarts(report func(i int, detail string)) {
	for i := 1; i < b.len(); i++ {
		begin, ok := b.preemptible(i)
		if !ok || begin == i {
			continue
		}
		if 4*(i-begin) > maxRestart {
			report(i, fmt.Sprintf("the restartable sequence begins %d bytes before; the runtime throws \"bad restart PC\" from %d on", 4*(i-begin), maxRestart+4))
			continue
		}
		if what := b.overwritesInput(begin, i); what != "" {
			report(i, what)
		}
	}
}

// overwritesInput says which input of the sequence that begins at an instruction has been
// overwritten before instruction i, or "".
func (b *body) overwritesInput(begin, i int) string {
	end := i // of the sequence
	for end+1 < b.len() {
		if again, ok := b.preemptible(end + 1); !ok || again != begin {
			break
		}
		end++
	}
	var inputs, written arm64.Set // read before they are written; written in [begin, i)
	var vectors, vectorsWritten arm64.Set
	flags, flagsWritten := false, false
	var overwritten struct {
		general, vector arm64.Set
		flags           bool
	}
	for at := begin; at <= end; at++ {
		e := b.effect(at)
		if b.unknown[at] {
			return "an instruction that is not known runs twice"
		}
		inputs |= e.Reads &^ written
		vectors |= e.VReads.All() &^ vectorsWritten
		flags = flags || e.ReadsFlags && !flagsWritten
		written |= e.Writes
		vectorsWritten |= e.VWrites.All()
		flagsWritten = flagsWritten || e.WritesFlags
		if at >= i {
			continue
		}
		switch {
		case e.Jump.Kind.Flow() == arm64.FlowCall:
			return "a call runs twice"
		case e.Mem.Store && (e.Mem.Atomic || e.Mem.Exclusive):
			return "an atomic operation runs twice"
		}
		overwritten.general |= e.Writes
		overwritten.vector |= e.VWrites.All()
		overwritten.flags = overwritten.flags || e.WritesFlags
	}
	for r := range 32 {
		switch {
		case (overwritten.general & inputs).Has(r) && r == arm64.SP:
			return "the sequence reads the stack pointer, has changed it, and runs again"
		case (overwritten.general & inputs).Has(r):
			return fmt.Sprintf("the sequence reads R%d, has overwritten it, and runs again", r)
		case (overwritten.vector & vectors).Has(r):
			return fmt.Sprintf("the sequence reads V%d, has overwritten it, and runs again", r)
		}
	}
	if overwritten.flags && flags {
		return "the sequence reads the condition flags, has overwritten them, and runs again"
	}
	return ""
}
