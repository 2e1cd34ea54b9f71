package window

import (
	"splitadd/internal/arm64"
	"splitadd/internal/pclntab"
)

// Clause 1, SP: the stack pointer is what pcsp claims. The unwinder takes the
// word that it believes the stack pointer points at for a return address
// (runtime/traceback.go, unwinder.resolveInternal).
//
// Clause 2, FP: R29 is the function's own frame pointer or its caller's. The
// execution tracer follows it (runtime/tracestack.go, fpTracebackPCs).

// wrongPointers reports the boundaries at which the stack pointer or the frame
// pointer is wrong, also where the runtime does not preempt.
func (f *Finder) wrongPointers(w *walk, points *pclntab.SafePoints, report func(Window)) {
	w.eachState(func(i int, regs *registers) {
		pc := w.entry + uint64(4*i)
		// If the runtime does not preempt at pc, Resume may be another instruction.
		// Then there is no window, and pc itself decides whether to list it.
		below, _ := w.pcsp.At(points.ResumePC(pc))
		classes := f.disagree(regs, int64(below))
		if classes == nil {
			return
		}
		resume, why := points.At(pc)
		if why != "" {
			below, _ = w.pcsp.At(resume)
			classes = f.disagree(regs, int64(below))
		}
		for _, class := range classes {
			found := Window{Class: class, PC: pc, Claimed: int64(below), Preemptible: why == "", Why: why}
			machine := regs[arm64.SP]
			if class == FP {
				found.Claimed, machine = -callersFP.n, regs[arm64.FP]
			}
			found.Actual, found.Known = -machine.n, machine.kind == fromEntry
			found.Stale = class == FP && regs.fpIsStale()
			found.Pair = i > 0 && isSplitPair(w.word(i-1), w.word(i), class)
			report(found)
		}
	})
}

// disagree returns the classes of window that the registers make, if the function
// table says that the stack pointer is below bytes below its value at entry.
//
// The frame pointer may be the function's own, which points at the saved one,
// 8 below the stack pointer, or its caller's. It may also point 24 below the
// stack pointer: that is where sigctxt.pushCall (runtime/signal_arm64.go)
// stores the frame pointer itself. An unwinder that follows it goes in a circle
// and stops at the bound of the trace (runtime/tracestack.go, fpTracebackPCs).
// Go 1.23 and 1.24 leave it there around a call of duffzero in a prologue.
//
// If the stack pointer is not what is claimed but the frame pointer fits the claim, only
// the stack pointer makes a window. A stale frame pointer does not make a window if the
// frame that it points into lies too deep for a preemption to overwrite.
func (f *Finder) disagree(r *registers, below int64) (classes []Class) {
	sp, fp := r[arm64.SP], r[arm64.FP]
	if sp.kind != fromEntry || sp.n != -below {
		classes = append(classes, SP)
	}
	if !f.UnwindsFP {
		return classes
	}
	known := fp == callersFP ||
		fp.kind == fromEntry && (fp.n == -below-8 || fp == sp.add(-8) || fp == sp.add(-24)) ||
		r.fpIsStale() && sp.n-(fp.n+16) >= f.preemption().writesBelow
	if !known {
		classes = append(classes, FP)
	}
	return classes
}

// isSplitPair reports whether two instructions are the halves of one adjustment of a
// pointer: cmd/internal/obj/arm64/asm7.go writes the low 12 bits first.
func isSplitPair(first, second uint32, class Class) bool {
	to := arm64.SP
	if class == FP {
		to = arm64.FP
	}
	rd, rn, low, ok := arm64.AddImmediate(first)
	rd2, rn2, high, ok2 := arm64.AddImmediate(second)
	return ok && ok2 && rd == to && rn == arm64.SP && rd2 == to && rn2 == to && low < 1<<12 && high >= 1<<12
}
