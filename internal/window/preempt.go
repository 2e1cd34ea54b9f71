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
	// writes is the number of bytes below the stack pointer that it overwrites.
	writes int64
	// usual is true if it restores all registers in which compiled code may hold a
	// value at a safe point, except for the upper halves of vector registers.
	usual bool
}

// pushed are the bytes that sigctxt.pushCall (runtime/signal_arm64.go) takes
// below the stack pointer for R30. It stores R29 below them.
const pushed = 16

// spared are the bytes right below the stack pointer that pushCall leaves as
// they are: the interrupted function's saved frame pointer is there.
const spared = 8

// preemptionOf reads what a preemption does from the code of asyncPreempt and
// asyncPreempt2. If an obfuscator has removed the names, it returns what they restore in
// the releases from go1.16 on: all general registers but R18, R27 and R28, the
// flags, and the low half of the vector registers.
func preemptionOf(f *objfile.File, table *pclntab.Table) preemption {
	p := preemption{
		general: scanned | 1<<28 | 1<<arm64.FP | 1<<arm64.LR | 1<<arm64.SP,
		low:     1<<32 - 1,
		flags:   true,
		writes:  pushed + 496 + 32,
		usual:   true,
	}
	usual := p
	writes := int64(pushed)
	for _, name := range []string{"runtime.asyncPreempt", "runtime.asyncPreempt2"} {
		fn, ok := table.Named(name)
		if !ok {
			return p
		}
		pcsp, err := fn.PCSP()
		if err != nil {
			return p
		}
		writes += frame(pcsp)
	}
	p.writes = writes
	fn, _ := table.Named("runtime.asyncPreempt")
	code, err := f.Bytes(fn.Entry, (fn.End-fn.Entry)&^3)
	if err != nil {
		return p
	}
	if kept, ok := restores(code); ok {
		kept.writes = writes
		kept.usual = kept.general&usual.general == usual.general && kept.low == usual.low && kept.flags
		return kept
	}
	return p
}
