package arm64

// simdScalar decodes the groups "Advanced SIMD scalar", and the SHA-1 and SHA-256
// instructions, which are encoded among them.
func (e *Effects) simdScalar(w uint32) bool {
	if !bit(w, 30) {
		return false
	}
	switch {
	case bit(w, 24):
		switch {
		case !bit(w, 10):
			return e.byElement(w, 0)
		case bit(w, 23):
			return false
		}
		return e.shiftImmediate(w, 0, &scalarShifts)
	case w&0x3f3e0c00 == 0x1e280800:
		return e.shaTwoRegisters(w)
	case w&0x3f208c00 == 0x1e000000:
		return e.shaThreeRegisters(w)
	case bit(w, 21):
		switch {
		case bit(w, 10):
			return e.scalarThreeSame(w)
		case !bit(w, 11):
			return e.scalarThreeDifferent(w)
		case w&0x1e0000 == 0:
			return e.scalarTwoRegisters(w)
		case w&0x1e0000 == 0x100000:
			return e.scalarPairwise(w)
		}
	case w&0x20e0fc00 == 0x400 && w&0xf0000 != 0: // Advanced SIMD scalar copy: DUP
		size := log2(field(w, 16, 5))
		e.addVRead(w, 5, log2Through(field(w, 16, 5)>>(size+1), size))
		e.addVWrite(w, 0, size)
		return true
	}
	return false
}

// scalarPairwise decodes "Advanced SIMD scalar pairwise".
func (e *Effects) scalarPairwise(w uint32) bool {
	size, k := field(w, 22, 2), 2+field(w, 22, 1)
	switch field(w, 29, 1)<<5 | field(w, 12, 5) {
	case 27: // ADDP
		if size != 3 {
			return false
		}
	case 32 + 13: // FADDP
		if size > 1 {
			return false
		}
	case 32 + 12, 32 + 15: // FMAXNMP, FMINNMP; FMAXP, FMINP
	default:
		return false
	}
	e.addVRead(w, 5, k+1)
	e.addVWrite(w, 0, k)
	return true
}

// scalarThreeSame decodes "Advanced SIMD scalar three same".
func (e *Effects) scalarThreeSame(w uint32) bool {
	s, size, ok := scalarsThreeSame.lookup(w, 11)
	k := size
	if s&float != 0 {
		k = 2 + size&1
	}
	e.addVWrite(w, 0, k)
	return ok && e.addVSources(w, k, 2)
}

// scalarThreeDifferent decodes "Advanced SIMD scalar three different".
func (e *Effects) scalarThreeDifferent(w uint32) bool {
	size := field(w, 22, 2)
	if bit(w, 29) || size != 1 && size != 2 {
		return false
	}
	switch field(w, 12, 4) {
	case 9, 11: // SQDMLAL, SQDMLSL
		e.addVRead(w, 0, size+1)
	case 13: // SQDMULL
	default:
		return false
	}
	e.addVWrite(w, 0, size+1)
	return e.addVSources(w, size, 2)
}

// scalarTwoRegisters decodes "Advanced SIMD scalar two-register miscellaneous".
func (e *Effects) scalarTwoRegisters(w uint32) bool {
	s, size, ok := scalarsTwoRegisters.lookup(w, 12)
	k := size
	if s&float != 0 {
		k = 2 + size&1
	}
	from := k
	switch {
	case s&narrow != 0 && s&float != 0: // FCVTXN
		k, from = 2, 3
	case s&narrow != 0:
		from++
	case s&keep != 0:
		e.addVRead(w, 0, k)
	}
	e.addVRead(w, 5, from)
	e.addVWrite(w, 0, k)
	return ok
}
