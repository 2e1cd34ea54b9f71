package window

import "splitadd/internal/arm64"

// A half is 64 bits that asyncPreempt stores and loads: a general register, or the low or
// upper half of a vector register.
type half struct {
	vector bool
	reg    int8
	upper  bool
}

// copies are the stores and loads of asyncPreempt up to an instruction.
type copies struct {
	// By register, its place in bytes from the first value of the base register. The
	// first store counts, and the last load.
	stored, loaded map[half]int64
	bases          [32]distance
	// The register that the flags were read into, the one from which they are written
	// back, and the place of the flags on the stack.
	flagsFrom, flagsTo int8
	flags              map[int64]bool
	flagsBack          bool
}

// A distance is how far a base register is from its first value, in bytes, if that is
// known.
type distance struct {
	known bool
	at    int64
}

// readRestored reads asyncPreempt's code, which runs straight through with one
// call in it, and returns the registers that are stored before the call and
// loaded from the same place after it. From go1.26 on the vector registers go
// to p.xRegs.scratch and come back from p.xRegs.cache, each in one run of
// bytes (runtime/preempt_xreg.go).
func readRestored(code []byte) (p preemption, ok bool) {
	c := copies{
		// R30 was stored before asyncPreempt began, by pushCall, at its stack pointer.
		stored: map[half]int64{{reg: arm64.LR}: 0}, loaded: map[half]int64{},
		flagsFrom: arm64.NoRegister, flagsTo: arm64.NoRegister, flags: map[int64]bool{},
	}
	c.bases[arm64.SP].known = true
	calls := 0
	for i := range len(code) / 4 {
		w := wordAt(code, i)
		e, known := arm64.Decode(w)
		if !known {
			return p, false
		}
		switch e.Jump.Kind.Flow() {
		case arm64.FlowCall:
			calls++
			for r := range 31 {
				c.bases[r].known = false
			}
		case arm64.FlowNext:
			if !c.step(w, &e) {
				return p, false
			}
		default:
			return c.restored(), calls == 1
		}
	}
	return p, false
}

// step follows an instruction that goes to the next one. It returns false if it loses
// track of the stack pointer.
func (c *copies) step(w uint32, e *arm64.Effects) bool {
	m := &e.Mem
	if (m.Load || m.Store) && m.Base >= 0 && m.Base < 32 {
		c.access(m)
	}
	if e.Sys == arm64.SysMRS && w&^31 == 0xd53b4200 {
		c.flagsFrom = int8(w & 31)
	}
	if e.Sys == arm64.SysMSR && w&^31 == 0xd51b4200 && int8(w&31) == c.flagsTo {
		c.flagsBack = true
	}
	for r := range 31 {
		if e.Writes.Has(r) && !(m.WritesBack && int(m.Base) == r) {
			c.bases[r] = distance{}
		}
	}
	if v := &e.Value; v.Kind == arm64.ValueAdd && v.Rd == arm64.SP && v.Rn == arm64.SP {
		c.bases[arm64.SP].at += v.N
	} else if e.Writes.Has(arm64.SP) && !(m.WritesBack && m.Base == arm64.SP) {
		return false
	}
	return true
}

// access follows a load or store.
func (c *copies) access(m *arm64.Memory) {
	from := &c.bases[m.Base]
	if !from.known { // a pointer that was just loaded: its run of bytes begins here
		*from = distance{known: true}
	}
	for k := range int(m.N) {
		r, size := m.Regs[k], int64(m.Size)
		place := from.at + int64(m.Disp) + int64(k)*size
		if m.Store && r == c.flagsFrom && m.Base == arm64.SP {
			c.flags[place] = true
		}
		if m.Load && c.flags[place] && m.Base == arm64.SP {
			c.flagsTo = r
		}
		if r < 0 || r > 31 || size < 8 || m.Lane {
			continue
		}
		halves := []half{{m.Vector, r, false}, {m.Vector, r, true}}
		for h, half := range halves[:min(int(size)/8, 2)] {
			at := place + int64(8*h)
			if _, ok := c.stored[half]; m.Load {
				c.loaded[half] = at
			} else if !ok {
				c.stored[half] = at
			}
		}
	}
	if m.WritesBack && m.Index == arm64.NoRegister {
		from.at += int64(m.Increment)
	}
}

// restored returns the registers that were loaded from where they were stored.
func (c *copies) restored() preemption {
	p := preemption{general: 1<<28 | 1<<arm64.SP, flags: c.flagsBack}
	for half, to := range c.loaded {
		from, saved := c.stored[half]
		switch {
		case !saved || from != to:
		case !half.vector:
			p.general |= 1 << half.reg
		case half.upper:
			p.upper |= 1 << half.reg
		default:
			p.low |= 1 << half.reg
		}
	}
	return p
}
