package arm64

// loadStore decodes "Loads and Stores", except those that are constrained
// unpredictable.
func (e *Effects) loadStore(w uint32) bool {
	e.Mem.Index = NoRegister
	return e.loadStoreGroup(w) && e.Mem.registersDistinct()
}

// registersDistinct reports whether the registers differ that have to: the base and the
// transferred registers if the base is written back, and the two registers of a load.
func (m *Memory) registersDistinct() bool {
	if m.WritesBack && !m.Vector && m.Base != SP {
		for _, r := range m.Regs[:m.N] {
			if r == m.Base {
				return false
			}
		}
	}
	return !(m.Load && m.N == 2 && !m.Atomic && !m.Lane && !m.Replicate && m.Regs[0] == m.Regs[1])
}

// loadStoreGroup is loadStore without the check of the registers.
func (e *Effects) loadStoreGroup(w uint32) bool {
	switch {
	case w&0x3b000000 == 0x39000000:
		e.Mem.Disp = int32(field(w, 10, 12) << scale(w))
		return e.transferRegister(w, regOrSP(w, 5))
	case w&0x3b200000 == 0x38000000:
		return e.signedOffset(w)
	case w&0x3b200c00 == 0x38200800:
		return e.registerOffset(w)
	case w&0x3b200c00 == 0x38200000:
		return e.atomicMemory(w)
	case w&0x3a000000 == 0x28000000:
		return e.registerPair(w)
	case w&0x3b000000 == 0x18000000:
		return e.literal(w)
	case w&0x3f000000 == 0x08000000:
		return e.exclusiveOrOrdered(w)
	case w&0x3f200c00 == 0x19000000:
		return e.orderedUnscaled(w)
	case w&0xbe000000 == 0x0c000000:
		return e.structures(w)
	}
	return false
}

// scale returns k if "Load/store register" transfers 1<<k bytes.
func scale(w uint32) uint32 {
	k := w >> 30
	if w&0x04800000 == 0x04800000 {
		k += 4 // 128 bits, if the size is 0
	}
	return k
}

// transferRegister records the transfer of one register by "Load/store register". The
// fields size, V and opc encode which transfer it is. The caller has set the displacement
// and the write-back.
func (e *Effects) transferRegister(w uint32, base int8) bool {
	m := &e.Mem
	m.Base = base
	e.addRead(base, true)
	size, opc := w>>30, field(w, 22, 2)
	k := scale(w)
	if bit(w, 26) {
		if k > 4 {
			return false
		}
		e.transferVector(w, 0, k, opc&1 == 1)
		return true
	}
	switch {
	case opc == 0:
		e.transferGeneral(w, 0, size, false, false)
	case opc == 1:
		e.transferGeneral(w, 0, size, true, size == 3)
	case size == 3: // PRFM, PRFUM
		if opc == 3 || m.WritesBack {
			return false
		}
		m.Prefetch = true
	case size == 2 && opc == 3:
		return false
	default: // sign-extended
		e.transferGeneral(w, 0, size, true, opc == 2)
		m.Signed = true
	}
	return true
}

// transferGeneral records that the general register in the field at shift is loaded or
// stored, with 1<<k bytes in memory. A load writes 64 bits if wide.
func (e *Effects) transferGeneral(w uint32, shift uint, k uint32, load, wide bool) {
	m, r := &e.Mem, regOrZR(w, shift)
	m.Regs[m.N] = r
	m.N++
	m.Size = 1 << k
	if load {
		m.Load = true
		e.addWrite(r, wide)
	} else {
		m.Store = true
		e.addRead(r, k == 3)
	}
}

// transferVector records that the vector register in the field at shift is loaded or
// stored, with 1<<k bytes in memory.
func (e *Effects) transferVector(w uint32, shift uint, k uint32, load bool) {
	m := &e.Mem
	m.Regs[m.N] = int8(field(w, shift, 5))
	m.N++
	m.Size, m.Vector = 1<<k, true
	if load {
		m.Load = true
		e.addVWrite(w, shift, k)
	} else {
		m.Store = true
		e.addVRead(w, shift, k)
	}
}

// writeBack records that increment bytes are added to the base register.
func (e *Effects) writeBack(base int8, increment int32) {
	e.Mem.WritesBack, e.Mem.Increment = true, increment
	e.addWrite(base, true)
}

// signedOffset decodes "Load/store register" with an immediate of 9 bits: unscaled,
// pre-indexed, post-indexed and unprivileged.
func (e *Effects) signedOffset(w uint32) bool {
	base, n := regOrSP(w, 5), signed(w, 12, 9)
	e.Mem.Disp = n
	switch w >> 10 & 3 {
	case 1:
		e.Mem.Disp = 0
		e.writeBack(base, n)
	case 2: // unprivileged
		if bit(w, 26) || w>>30 == 3 && bit(w, 23) {
			return false
		}
	case 3:
		e.writeBack(base, n)
	}
	return e.transferRegister(w, base)
}

// registerOffset decodes "Load/store register (register offset)".
func (e *Effects) registerOffset(w uint32) bool {
	m := &e.Mem
	if m.Extend = Extend(field(w, 13, 3)); m.Extend&2 == 0 {
		return false
	}
	m.Index = regOrZR(w, 16)
	if bit(w, 12) {
		m.Shift = uint8(scale(w))
	}
	e.addRead(m.Index, m.Extend&1 == 1)
	return e.transferRegister(w, regOrSP(w, 5))
}

// literal decodes "Load register (literal)".
func (e *Effects) literal(w uint32) bool {
	m, opc := &e.Mem, w>>30
	m.Base, m.Disp = PC, signed(w, 5, 19)*4
	switch {
	case bit(w, 26) && opc < 3:
		e.transferVector(w, 0, 2+opc, true)
	case bit(w, 26):
		return false
	case opc == 3:
		m.Prefetch = true
	case opc == 2: // LDRSW
		m.Signed = true
		e.transferGeneral(w, 0, 2, true, true)
	default:
		e.transferGeneral(w, 0, 2+opc, true, opc == 1)
	}
	return true
}

// registerPair decodes "Load/store register pair" in all its modes, and "Load/store
// no-allocate pair".
func (e *Effects) registerPair(w uint32) bool {
	m, opc, load, mode := &e.Mem, w>>30, bit(w, 22), field(w, 23, 2)
	base := regOrSP(w, 5)
	m.Base = base
	e.addRead(base, true)
	k := 2 + opc>>1
	switch vector := bit(w, 26); {
	case opc == 3:
		return false
	case vector:
		k = 2 + opc
		e.transferVector(w, 0, k, load)
		e.transferVector(w, 10, k, load)
	case opc == 1: // LDPSW
		if !load || mode == 0 {
			return false
		}
		m.Signed = true
		fallthrough
	default:
		e.transferGeneral(w, 0, k, load, opc != 0)
		e.transferGeneral(w, 10, k, load, opc != 0)
	}
	n := signed(w, 15, 7) << k
	m.Disp = n
	if mode == 1 {
		m.Disp = 0
	}
	if mode&1 == 1 {
		e.writeBack(base, n)
	}
	return true
}
