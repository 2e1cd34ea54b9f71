package arm64

// simdOrFloat decodes "Data Processing -- Scalar Floating-Point and Advanced SIMD".
func (e *Effects) simdOrFloat(w uint32) bool {
	switch {
	case w&0x50000000 == 0x10000000:
		return e.scalarFloat(w)
	case w>>24 == 0xce:
		return e.sha512(w)
	case bit(w, 31):
		return false
	case bit(w, 28):
		return e.simdScalar(w)
	}
	return e.simdVector(w)
}

// floatType decodes the field ftype: k is 2 for single and 3 for double precision, so that
// a number has 1<<k bytes. For other types ok is false.
func floatType(w uint32) (k uint32, ok bool) { return 2 + field(w, 22, 1), !bit(w, 23) }

// scalarFloat decodes the scalar floating-point groups, without half precision.
func (e *Effects) scalarFloat(w uint32) bool {
	k, ok := floatType(w)
	switch {
	case w&0x2f200000 == 0x0e000000:
		return ok && e.fixedPoint(w, k)
	case w&0x2f20fc00 == 0x0e200000:
		return e.floatToInteger(w)
	case bit(w, 29) || bit(w, 31):
		return false
	case bit(w, 24): // floating-point data-processing (3 source)
		e.addVRead(w, 10, k)
		e.addVWrite(w, 0, k)
		return ok && e.addVSources(w, k, 2)
	case !bit(w, 21):
		return false
	case w&0x7c00 == 0x4000:
		return e.floatOneSource(w)
	case w&0x3c00 == 0x2000: // floating-point compare
		e.WritesFlags = true
		return ok && w&0xc007 == 0 && e.addVSources(w, k, 2-int(w>>3&1))
	case w&0x1c00 == 0x1000: // floating-point immediate
		e.addVWrite(w, 0, k)
		return ok && w&0x3e0 == 0
	case w&0xc00 == 0x400: // floating-point conditional compare
		e.ReadsFlags, e.WritesFlags = true, true
		return ok && e.addVSources(w, k, 2)
	case w&0xc00 == 0x800: // floating-point data-processing (2 source)
		e.addVWrite(w, 0, k)
		return ok && field(w, 12, 4) <= 8 && e.addVSources(w, k, 2)
	case w&0xc00 == 0xc00: // floating-point conditional select
		e.ReadsFlags = true
		e.addVWrite(w, 0, k)
		return ok && e.addVSources(w, k, 2)
	}
	return false
}

// addVSources records that 1<<k bytes of the vector register Rn, and if n is 2 also of Rm,
// are read. It returns true.
func (e *Effects) addVSources(w uint32, k uint32, n int) bool {
	e.addVRead(w, 5, k)
	if n == 2 {
		e.addVRead(w, 16, k)
	}
	return true
}

// floatOneSource decodes "Floating-point data-processing (1 source)": moves,
// roundings, square roots, and conversions of precision, half included.
func (e *Effects) floatOneSource(w uint32) bool {
	k, ok := floatType(w)
	destination := k
	switch opcode := field(w, 15, 6); opcode {
	case 0:
		e.Value = Value{Kind: ValueCopyVector, Rd: regOrSP(w, 0), Rn: regOrSP(w, 5)}
	case 4, 5, 7:
		precision := [4]uint32{2, 3, 0, 1} // single, double, none, half
		k, destination = precision[field(w, 22, 2)], precision[opcode&3]
		ok = k != 0 && k != destination
	case 1, 2, 3, 8, 9, 10, 11, 12, 14, 15:
	default:
		return false
	}
	e.addVRead(w, 5, k)
	e.addVWrite(w, 0, destination)
	return ok
}

// fixedPoint decodes "Conversion between floating-point and fixed-point".
func (e *Effects) fixedPoint(w, k uint32) bool {
	if !bit(w, 31) && !bit(w, 15) {
		return false
	}
	switch field(w, 16, 5) {
	case 2, 3:
		e.addRead(regOrZR(w, 5), bit(w, 31))
		e.addVWrite(w, 0, k)
	case 24, 25:
		e.addVRead(w, 5, k)
		e.addWrite(regOrZR(w, 0), bit(w, 31))
	default:
		return false
	}
	return true
}

// floatToInteger decodes "Conversion between floating-point and integer", in both
// directions, and FMOV between general and vector registers.
func (e *Effects) floatToInteger(w uint32) bool {
	wide, rmode, opcode := bit(w, 31), field(w, 19, 2), field(w, 16, 3)
	k, ok := floatType(w)
	toVector := opcode == 2 || opcode == 3 || opcode == 7
	switch {
	case opcode < 2, rmode == 0 && opcode < 6:
	case opcode >= 6 && rmode == 0:
		if ok = ok && wide == (k == 3); toVector {
			e.Value = Value{Kind: ValueToVector, Rd: regOrSP(w, 0), Rn: regOrZR(w, 5)}
		} else {
			e.setValue(Value{Kind: ValueFromVector, Rd: regOrZR(w, 0), Rn: regOrSP(w, 5)})
		}
	case opcode >= 6 && rmode == 1 && wide && field(w, 22, 2) == 2: // the upper half
		k, ok = 4, true
		if toVector {
			e.addVRead(w, 0, 3) // the lower half is kept
		}
	case opcode == 6 && rmode == 3 && !wide && k == 3: // FJCVTZS
		e.WritesFlags = true
	default:
		return false
	}
	if toVector {
		e.addRead(regOrZR(w, 5), wide)
		e.addVWrite(w, 0, k)
	} else {
		e.addVRead(w, 5, k)
		e.addWrite(regOrZR(w, 0), wide)
	}
	return ok
}
