package window

import "splitadd/internal/arm64"

// step follows one instruction: it changes what the places hold.
func (o *origins) step(i int, held []int32) {
	b, e := o.b, o.b.effect(i)
	if b.unknown[i] {
		clear(held) // it may have done anything
		return
	}
	if b.isCall(i) {
		for r := range 31 {
			held[r] = o.number(result, i, r)
		}
		held[arm64.LR] = o.number(link, i, 0)
		return
	}
	value := int32(0)
	if e.Value.Kind != arm64.ValueUnknown && e.Value.Rd < 31 {
		value = o.value(i, held)
	}
	m := &e.Mem
	at, onStack := b.slot(i)
	loads := o.loads(i, held)
	if m.Store && onStack {
		o.store(i, at, held)
	} else if m.Store && m.Size == 8 && !m.Vector {
		for k := range int(m.N) {
			if r := m.Regs[k]; r >= 0 && r < 31 {
				o.stored[held[r]] = true
			}
		}
	}
	for r := range 31 {
		if e.Writes.Has(r) {
			kind := result
			if !e.Writes64.Has(r) {
				kind = integer
			}
			held[r] = o.number(kind, i, r)
		}
	}
	if m.Load && !m.Vector && !m.Atomic {
		for k := range int(m.N) {
			if r := m.Regs[k]; r >= 0 && r < 31 {
				held[r] = loads[k]
			}
		}
	}
	if value != 0 {
		held[e.Value.Rd] = value
	}
}

// loads returns the origins of the registers that an instruction loads.
func (o *origins) loads(i int, held []int32) (loads [4]int32) {
	m := o.b.effect(i).Mem
	if !m.Load || m.Vector || m.Atomic {
		return loads
	}
	at, onStack := o.b.slot(i)
	for k := range int(m.N) {
		switch {
		case m.Size < 8:
			loads[k] = o.number(integer, i, k)
		case onStack && at+int64(8*k) == -o.b.claimed(i):
			loads[k] = o.number(link, i, 0)
		case onStack:
			p := o.place(at + int64(8*k))
			if held[p] == 0 {
				held[p] = o.number(result, i, p)
			}
			loads[k] = held[p]
		default:
			loads[k] = o.number(fromHeap, i, k)
		}
	}
	return loads
}

// store follows a store to the frame.
func (o *origins) store(i int, at int64, held []int32) {
	m := o.b.effect(i).Mem
	for s := at - 7; s < at+int64(m.Bytes()); s++ { // what overlaps is gone
		if p, ok := o.slots[s]; ok {
			held[p] = 0
		}
	}
	if m.Vector || m.Size != 8 || m.Atomic {
		return
	}
	for k := range int(m.N) {
		if r := m.Regs[k]; r >= 0 && r < 31 {
			held[o.place(at+int64(8*k))] = held[r]
		}
	}
}

// value returns the origin of the result of an instruction that computes a single
// value.
func (o *origins) value(i int, held []int32) int32 {
	e := o.b.effect(i)
	v := &e.Value
	of := func(r int8) int32 {
		if r == arm64.ZR {
			return o.number(integer, -2, 0)
		}
		if r == arm64.SP {
			return o.number(onFrame, -3, 0)
		}
		return held[r]
	}
	if !e.Writes64.Has(int(v.Rd)) {
		return o.number(integer, i, 0)
	}
	switch v.Kind {
	case arm64.ValueConstant, arm64.ValueInsert:
		return o.number(integer, i, 0)
	case arm64.ValueAddress, arm64.ValuePage:
		return o.number(inImage, i, 0)
	case arm64.ValueCopy:
		return of(v.Rn)
	case arm64.ValueAdd:
		return o.sum(i, of(v.Rn), 0)
	case arm64.ValueAddReg, arm64.ValueSubReg:
		n, m := of(v.Rn), of(v.Rm)
		if v.Kind == arm64.ValueSubReg || v.Shift > 0 || v.Extend != arm64.LSL && v.Extend != arm64.UXTX {
			m = 0
		}
		return o.sum(i, n, m)
	case arm64.ValueSelect:
		return o.number(joined, i, -1, of(v.Rn), of(v.Rm))
	}
	return 0
}

// sum returns the origin of the sum of two values. If other is 0, the second value is
// not an address.
func (o *origins) sum(i int, n, other int32) int32 {
	if n == 0 || other != 0 && o.list[n].kind == integer {
		n, other = other, 0
	}
	if n == 0 {
		return o.number(result, i, 0)
	}
	if other != 0 && o.list[other].kind != integer {
		return o.number(unclear, i, 0, n, other)
	}
	switch kind := o.list[n].kind; kind {
	case onFrame, inImage:
		return o.number(kind, i, 0)
	case integer:
		return o.number(integer, i, 0)
	}
	return o.number(derived, i, 0, n)
}
