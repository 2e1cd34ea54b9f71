package window

import (
	"splitadd/internal/arm64"
	"splitadd/internal/objfile"
	"splitadd/internal/pclntab"
)

// A preemption is what the binary's own runtime does to a goroutine that it
// preempts, as far as the goroutine's code can tell.
type preemption struct {
	// Restored are the registers that have their values back afterwards: general
	// ones, and vector ones in their low and their upper 64 bits.
	general, low, upper arm64.Set
	flags               bool
	// writes is how many bytes below the stack pointer are written to.
	writes int64
	// usual is whether all registers are restored that compiled code may hold a
	// value in at a safe point, but for the upper halves of vector registers.
	usual bool
}

// pushed are the bytes that sigctxt.pushCall (runtime/signal_arm64.go) takes
// below the stack pointer for R30. It stores R29 below them.
const pushed = 16

// spared are the bytes right below the stack pointer that pushCall leaves as
// they are: the interrupted function's saved frame pointer is there.
const spared = 8

// preemptionOf reads what a preemption does from the code of asyncPreempt and
// asyncPreempt2. If an obfuscator has removed the names it is what they do in
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

// A copied register is one that asyncPreempt stores or loads: which half of
// which, at how many bytes from where its base register began.
type copied struct {
	vector bool
	reg    int8
	upper  bool
}

// restores reads asyncPreempt's code, which runs straight through with one
// call in it, and returns the registers that are stored before the call and
// loaded from the same place after it. From go1.26 on the vector registers go
// to p.xRegs.scratch and come back from p.xRegs.cache, each in one run of
// bytes (runtime/preempt_xreg.go).
func restores(code []byte) (p preemption, ok bool) {
	// The first store of a register counts, and the last load. R30 was stored
	// before asyncPreempt began, by pushCall, at its stack pointer.
	stored, loaded := map[copied]int64{{reg: arm64.LR}: 0}, map[copied]int64{}
	var bases [32]struct {
		known bool
		at    int64
	}
	var flagsFrom, flagsTo int8 = arm64.None, arm64.None // registers that hold the flags
	flags := map[int64]bool{}                            // where on the stack they are
	calls := 0
	rebase := func(r int, delta int64) { bases[r].known, bases[r].at = true, bases[r].at+delta }
	rebase(arm64.SP, 0)
	for at := 0; at+4 <= len(code); at += 4 {
		w := uint32(code[at]) | uint32(code[at+1])<<8 | uint32(code[at+2])<<16 | uint32(code[at+3])<<24
		e, known := arm64.Decode(w)
		if !known {
			return p, false
		}
		switch e.Jump.Kind.Flow() {
		case arm64.Call:
			calls++
			for r := range 31 {
				bases[r].known = false
			}
			continue
		case arm64.Next:
		default:
			if calls != 1 {
				return p, false
			}
			p.general = 1<<28 | 1<<arm64.SP
			for c, to := range loaded {
				from, saved := stored[c]
				switch {
				case !saved || from != to:
				case !c.vector:
					p.general |= 1 << c.reg
				case c.upper:
					p.upper |= 1 << c.reg
				default:
					p.low |= 1 << c.reg
				}
			}
			return p, true
		}
		m := &e.Mem
		if (m.Load || m.Store) && m.Base >= 0 && m.Base < 32 {
			base := &bases[m.Base]
			if !base.known { // a pointer that was just loaded: its run of bytes begins here
				base.known, base.at = true, 0
			}
			disp := base.at + int64(m.Disp)
			size := int64(m.Size)
			for k := range int(m.N) {
				r, place := m.Regs[k], disp+int64(k)*size
				if m.Store && r == flagsFrom && m.Base == arm64.SP {
					flags[place] = true
				}
				if m.Load && flags[place] && m.Base == arm64.SP {
					flagsTo = r
				}
				if r < 0 || r > 31 || size < 8 || m.Lane {
					continue
				}
				halves := []copied{{m.Vector, r, false}, {m.Vector, r, true}}
				for h, c := range halves[:min(int(size)/8, 2)] {
					at := place + int64(8*h)
					if _, ok := stored[c]; m.Load {
						loaded[c] = at
					} else if !ok {
						stored[c] = at
					}
				}
			}
			if m.Updates && m.Index == arm64.None {
				base.at += int64(m.By)
			}
		}
		if e.Sys == arm64.MRS && w&^31 == 0xd53b4200 {
			flagsFrom = int8(w & 31)
		}
		if e.Sys == arm64.MSR && w&^31 == 0xd51b4200 && int8(w&31) == flagsTo {
			p.flags = true
		}
		for r := range 31 {
			if e.Writes.Has(r) && !(m.Updates && int(m.Base) == r) {
				bases[r].known, bases[r].at = false, 0
			}
		}
		if v := &e.Value; v.Kind == arm64.Add && v.Rd == arm64.SP && v.Rn == arm64.SP {
			rebase(arm64.SP, v.N)
		} else if e.Writes.Has(arm64.SP) && !(m.Updates && m.Base == arm64.SP) {
			return p, false
		}
	}
	return p, false
}
