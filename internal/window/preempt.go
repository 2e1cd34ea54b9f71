package window

import (
	"splitadd/internal/arm64"
	"splitadd/internal/objfile"
	"splitadd/internal/pclntab"
)

// A preemption is what the binary's own runtime does to a goroutine that it
// preempts, as far as the goroutine's code can tell.
type preemption struct {
	// The registers that it restores: general registers, and the low and the upper
	// 64 bits of vector registers.
	general, low, upper arm64.Set
	flags               bool
	// writesBelow is the number of bytes below the stack pointer that it overwrites.
	writesBelow int64
	// restoresUsual is true if it restores all registers in which compiled code may hold a
	// value at a safe point, except for the upper halves of vector registers.
	restoresUsual bool
}

// pushCallBytes are the bytes that sigctxt.pushCall (runtime/signal_arm64.go) takes
// below the stack pointer for R30. It stores R29 below them.
const pushCallBytes = 16

// pushCallLeaves are the bytes right below the stack pointer that pushCall leaves as
// they are: the interrupted function's saved frame pointer is there.
const pushCallLeaves = 8

// PreemptFrames returns how many bytes below the interrupted stack pointer a preemption
// writes to: those of sigctxt.pushCall and of asyncPreempt's frame, and those of the frame
// of asyncPreempt2 below it. It is not ok if the function table does not tell.
func PreemptFrames(table *pclntab.Table) (push, below int64, ok bool) {
	var frames [2]int64
	for i, name := range []string{"runtime.asyncPreempt", "runtime.asyncPreempt2"} {
		fn, ok := table.LookupFunc(name)
		if !ok {
			return 0, 0, false
		}
		pcsp, err := fn.PCSP()
		if err != nil {
			return 0, 0, false
		}
		frames[i] = frameSize(pcsp)
	}
	return pushCallBytes + frames[0], frames[1], true
}

// readPreemption reads what a preemption does from the code of asyncPreempt and
// asyncPreempt2. If an obfuscator has removed the names, it returns what they restore in
// the releases from go1.16 on: all general registers but R18, R27 and R28, the
// flags, and the low half of the vector registers.
func readPreemption(f *objfile.File, table *pclntab.Table) preemption {
	p := preemption{
		general:       scannedRegisters | 1<<28 | 1<<arm64.FP | 1<<arm64.LR | 1<<arm64.SP,
		low:           1<<32 - 1,
		flags:         true,
		writesBelow:   pushCallBytes + 496 + 32,
		restoresUsual: true,
	}
	usual := p
	push, below, ok := PreemptFrames(table)
	if !ok {
		return p
	}
	writes := push + below
	p.writesBelow = writes
	fn, _ := table.LookupFunc("runtime.asyncPreempt")
	code, err := f.Bytes(fn.Entry, (fn.End-fn.Entry)&^3)
	if err != nil {
		return p
	}
	if kept, ok := readRestored(code); ok {
		kept.writesBelow = writes
		kept.restoresUsual = kept.general&usual.general == usual.general && kept.low == usual.low && kept.flags
		return kept
	}
	return p
}
