package arm64

// orderedUnscaled decodes "LDAPR/STLR (unscaled immediate)".
func (e *Effects) orderedUnscaled(w uint32) bool {
	e.Mem.Disp = signed(w, 12, 9)
	if w>>30 == 3 && bit(w, 23) {
		return false
	}
	ok := e.transferRegister(w, regOrSP(w, 5))
	e.Mem.Acquire, e.Mem.Release = e.Mem.Load, e.Mem.Store
	return ok
}

// exclusiveOrOrdered decodes "Load/store exclusive register", "exclusive pair",
// "Load/store ordered" and "Compare and swap", "and swap pair".
func (e *Effects) exclusiveOrOrdered(w uint32) bool {
	m, size, load, o1, o0 := &e.Mem, w>>30, bit(w, 22), bit(w, 21), bit(w, 15)
	m.Base = regOrSP(w, 5)
	e.addRead(m.Base, true)
	rs, rt2 := field(w, 16, 5), field(w, 10, 5)
	switch {
	case bit(w, 23) && o1: // CAS
		return rt2 == 31 && e.compareAndSwap(w, size, load, o0, 1)
	case bit(w, 23): // LDAR, STLR; LDLAR, STLLR
		if rs != 31 || rt2 != 31 {
			return false
		}
		e.transferGeneral(w, 0, size, load, size == 3)
		m.Acquire, m.Release = load, !load
		return true
	case o1 && size < 2: // CASP
		return rt2 == 31 && e.compareAndSwap(w, size+2, load, o0, 2)
	}
	if !o1 && rt2 != 31 || load && rs != 31 {
		return false
	}
	m.Exclusive = true
	e.transferGeneral(w, 0, size, load, size == 3)
	if o1 {
		e.transferGeneral(w, 10, size, load, size == 3)
	}
	if !load { // the status, which must not be another register of the three
		status := regOrZR(w, 16)
		e.addWrite(status, false)
		if status != ZR && status == m.Base || status == m.Regs[0] || o1 && status == m.Regs[1] {
			return false
		}
	}
	m.Acquire, m.Release = load && o0, !load && o0
	return true
}

// compareAndSwap records CAS and CASP, of n registers of 1<<k bytes.
func (e *Effects) compareAndSwap(w uint32, k uint32, acquire, release bool, n int) bool {
	m := &e.Mem
	m.Load, m.Store, m.Atomic, m.Acquire, m.Release = true, true, true, acquire, release
	m.Size = 1 << k
	if n == 2 && (bit(w, 16) || bit(w, 0)) {
		return false
	}
	for _, shift := range [...]uint{16, 0} {
		for i := range int8(n) {
			r := regOrZR(w, shift)
			if i == 1 {
				if r++; r == 31 {
					r = ZR
				}
			}
			e.addRead(r, k == 3)
			if shift == 16 {
				e.addWrite(r, k == 3)
			}
			m.Regs[m.N] = r
			m.N++
		}
	}
	return true
}

// atomicMemory decodes "Atomic memory operations": LDADD and similar, SWP, LDAPR.
func (e *Effects) atomicMemory(w uint32) bool {
	if bit(w, 26) {
		return false
	}
	m, size := &e.Mem, w>>30
	m.Base, m.Size = regOrSP(w, 5), 1<<size
	m.Acquire, m.Release, m.Load = bit(w, 23), bit(w, 22), true
	e.addRead(m.Base, true)
	rs, rt := regOrZR(w, 16), regOrZR(w, 0)
	e.addWrite(rt, size == 3)
	switch opcode := field(w, 12, 4); {
	case opcode == 12: // LDAPR
		m.Regs[0], m.N = rt, 1
		return m.Acquire && !m.Release && rs == ZR
	case opcode > 8:
		return false
	}
	m.Store, m.Atomic = true, true
	e.addRead(rs, size == 3)
	m.Regs[0], m.Regs[1], m.N = rt, rs, 2
	return true
}
