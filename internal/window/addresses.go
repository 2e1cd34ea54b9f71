package window

import "splitadd/internal/arm64"

// neededAddresses returns the instructions before which R30 holds a value that is
// used as an address later on, by itself or with something added. It returns nil
// if the branches are too tangled to tell.
func (o *origins) neededAddresses() bitset {
	b := o.b
	result := newBitset(b.len())
	transfer := func(i int, s bitset) { o.stepBack(i, s) }
	ok := b.backward(o.countPlaces(), transfer, func(i int, before bitset) {
		if before.has(arm64.LR) {
			result.add(i)
		}
	})
	if !ok {
		return nil
	}
	return result
}

// stepBack updates s, the places whose values are used as addresses later, from
// after an instruction to before it.
func (o *origins) stepBack(i int, s bitset) {
	b, e := o.b, o.b.effect(i)
	m, v := &e.Mem, &e.Value
	at, onStack := b.slot(i)
	if b.isCall(i) || b.unknown[i] {
		for r := range firstSlot {
			s.remove(r)
		}
	}
	moves := v.Rd >= 0 && v.Rd < 31 && s.has(int(v.Rd)) && e.Writes64.Has(int(v.Rd))
	var reloaded [4]bool
	whole := m.Size == 8 && !m.Vector && !m.Atomic
	if m.Load && onStack && whole {
		for k := range int(m.N) {
			reloaded[k] = m.Regs[k] >= 0 && m.Regs[k] < 31 && s.has(int(m.Regs[k]))
		}
	}
	for r := range 31 {
		if e.Writes.Has(r) {
			s.remove(r)
		}
	}
	if m.Store && onStack && whole {
		for k := range int(m.N) {
			p := o.place(at + int64(8*k))
			if s.has(p) && m.Regs[k] >= 0 && m.Regs[k] < 31 {
				s.add(int(m.Regs[k]))
			}
			s.remove(p)
		}
	}
	for k := range int(m.N) {
		if reloaded[k] {
			s.add(o.place(at + int64(8*k)))
		}
	}
	if moves {
		addSources(v, s)
	}
	if (m.Load || m.Store) && m.Base >= 0 && m.Base < 31 {
		s.add(int(m.Base))
	}
}

// addSources adds the registers whose values an instruction computes an address from.
func addSources(v *arm64.Value, s bitset) {
	switch v.Kind {
	case arm64.ValueCopy, arm64.ValueAdd:
		if v.Rn >= 0 && v.Rn < 31 {
			s.add(int(v.Rn))
		}
	case arm64.ValueAddReg, arm64.ValueSubReg:
		// If one of two registers is shifted, the other is the address. If
		// none is, either may be; then neither counts.
		plain := v.Shift == 0 && (v.Extend == arm64.LSL || v.Extend == arm64.UXTX)
		if v.Rn >= 0 && v.Rn < 31 && (v.Kind == arm64.ValueSubReg || !plain) {
			s.add(int(v.Rn))
		}
	case arm64.ValueSelect:
		for _, r := range []int8{v.Rn, v.Rm} {
			if r >= 0 && r < 31 {
				s.add(int(r))
			}
		}
	}
}
