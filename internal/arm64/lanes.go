package arm64

// threeSame decodes "Advanced SIMD three same".
func (e *Effects) threeSame(w, k uint32) bool {
	e.addVSources(w, k, 2)
	e.addVWrite(w, 0, k)
	if field(w, 11, 5) == 3 { // logical
		switch size := field(w, 22, 2); {
		case bit(w, 29) && size > 0: // BSL, BIT, BIF
			e.addVRead(w, 0, k)
		case !bit(w, 29) && size == 2 && field(w, 5, 5) == field(w, 16, 5): // ORR of a register and itself
			e.Value = Value{Kind: ValueCopyVector, Rd: regOrSP(w, 0), Rn: regOrSP(w, 5)}
		}
		return true
	}
	s, _, ok := vectorsThreeSame.lookupVector(w, 11, k)
	if s&keep != 0 {
		e.addVRead(w, 0, k)
	}
	return ok
}

// threeSameExtra decodes "Advanced SIMD three same extra": SDOT and UDOT, SQRDMLAH
// and SQRDMLSH.
func (e *Effects) threeSameExtra(w, k uint32) bool {
	e.addVReadWrite(w, k)
	e.addVSources(w, k, 2)
	size := field(w, 22, 2)
	switch field(w, 11, 4) {
	case 0, 1:
		return bit(w, 29) && (size == 1 || size == 2)
	case 2:
		return size == 2
	}
	return false
}

// threeDifferent decodes "Advanced SIMD three different". The instructions for
// the upper halves have Q set; those that narrow keep the lower half.
func (e *Effects) threeDifferent(w, k uint32) bool {
	size, opcode := field(w, 22, 2), field(w, 12, 4)
	n, m := k, k // what is read
	switch ok := size < 3; opcode {
	case 0, 2, 7, 12: // ADDL, SUBL, ABDL, MULL
	case 1, 3: // ADDW, SUBW
		n = 4
	case 4, 6: // ADDHN, SUBHN
		e.addVSources(w, 4, 2)
		e.addNarrowed(w, k)
		return ok
	case 5, 8, 10: // ABAL, MLAL, MLSL
		e.addVRead(w, 0, 4)
	case 9, 11: // SQDMLAL, SQDMLSL
		e.addVRead(w, 0, 4)
		fallthrough
	case 13: // SQDMULL
		if bit(w, 29) || size == 0 {
			return false
		}
	case 14: // PMULL
		if bit(w, 29) || size == 1 || size == 2 {
			return false
		}
		size = 0
	default:
		return false
	}
	e.addVRead(w, 5, n)
	e.addVRead(w, 16, m)
	e.addVWrite(w, 0, 4)
	return size < 3
}

// addNarrowed records the destination of an instruction that narrows. With k = 3 it writes
// the lower half. With k = 4 it writes the upper half and keeps the lower one.
func (e *Effects) addNarrowed(w, k uint32) {
	if k == 4 {
		e.addVRead(w, 0, 3)
	}
	e.addVWrite(w, 0, k)
}

// twoRegisters decodes "Advanced SIMD two-register miscellaneous".
func (e *Effects) twoRegisters(w, k uint32) bool {
	s, _, ok := vectorsTwoRegisters.lookupVector(w, 12, k)
	e.addShaped(w, k, s)
	return ok
}

// addShaped records that Rd is computed from Rn, of 1<<k bytes, with the flags of shape s.
func (e *Effects) addShaped(w, k uint32, s shape) {
	switch {
	case s&narrow != 0:
		e.addVRead(w, 5, 4)
		e.addNarrowed(w, k)
		return
	case s&widen != 0:
		e.addVRead(w, 5, k)
		e.addVWrite(w, 0, 4)
		return
	case s&keep != 0:
		e.addVRead(w, 0, k)
	}
	e.addVRead(w, 5, k)
	e.addVWrite(w, 0, k)
}

// acrossLanes decodes "Advanced SIMD across lanes".
func (e *Effects) acrossLanes(w, k uint32) bool {
	size := field(w, 22, 2)
	e.addVRead(w, 5, k)
	switch opcode := field(w, 12, 5); {
	case bit(w, 29) && (opcode == 12 || opcode == 15): // FMAXNMV, FMINNMV; FMAXV, FMINV
		e.addVWrite(w, 0, 2)
		return k == 4 && size&1 == 0
	case opcode == 3: // ADDLV
		e.addVWrite(w, 0, (size+1)&3)
	case opcode == 10, opcode == 26, opcode == 27 && !bit(w, 29): // MAXV, MINV, ADDV
		e.addVWrite(w, 0, size)
	default:
		return false
	}
	return size < 2 || size == 2 && k == 4
}

// shiftImmediate decodes "Advanced SIMD shift by immediate" and, if k is 0, "scalar shift
// by immediate".
func (e *Effects) shiftImmediate(w, k uint32, t *shapes) bool {
	immh := field(w, 19, 4)
	if immh == 0 {
		return false
	}
	size := uint32(0)
	for immh>>size > 1 {
		size++
	}
	s := t[field(w, 29, 1)<<5|field(w, 11, 5)]
	if s>>size&1 == 0 || k == 3 && size == 3 {
		return false
	}
	if k != 0 {
		e.addShaped(w, k, s)
		return true
	}
	from := size
	switch {
	case s&narrow != 0:
		from++
	case s&keep != 0:
		e.addVRead(w, 0, size)
	}
	e.addVRead(w, 5, from)
	e.addVWrite(w, 0, size)
	return true
}

// byElement decodes "Advanced SIMD vector x indexed element" and, if k is 0,
// "scalar x indexed element".
func (e *Effects) byElement(w, k uint32) bool {
	size, h, l, m := field(w, 22, 2), field(w, 11, 1), field(w, 21, 1), field(w, 20, 1)
	scalar, accumulates, long := k == 0, false, false
	ok := size == 1 || size == 2
	switch op := field(w, 29, 1)<<4 | field(w, 12, 4); op {
	case 1, 5, 9, 16 + 9: // FMLA, FMLS, FMUL, FMULX
		accumulates = op < 8
		ok = size == 2 || size == 3 && l == 0 && k != 3
	case 2, 6, 16 + 2, 16 + 6, 10, 16 + 10: // MLAL, MLSL, MULL
		accumulates, long = op&15 != 10, true
		ok = ok && !scalar
	case 3, 7, 11: // SQDMLAL, SQDMLSL, SQDMULL
		accumulates, long = op != 11, true
	case 8, 16 + 0, 16 + 4: // MUL, MLA, MLS
		accumulates = op != 8
		ok = ok && !scalar
	case 12, 13: // SQDMULH, SQRDMULH
	case 16 + 13, 16 + 15: // SQRDMLAH, SQRDMLSH
		accumulates = true
	case 14, 16 + 14: // SDOT, UDOT
		accumulates = true
		ok = size == 2 && !scalar
	default:
		return false
	}
	if !ok {
		return false
	}
	index := [4]uint32{0, h<<2 | l<<1 | m, h<<1 | l, h}[size]
	rm := w >> 16
	if size == 1 {
		rm &= 15
	}
	e.addVRead(rm, 0, log2Through(index, size))
	if scalar {
		k = size
	}
	e.addVRead(w, 5, k)
	destination := k
	if long && scalar {
		destination++
	} else if long {
		destination = 4
	}
	if accumulates {
		e.addVRead(w, 0, destination)
	}
	e.addVWrite(w, 0, destination)
	return true
}
