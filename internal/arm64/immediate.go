package arm64

import "math/bits"

// dataImmediate decodes "Data Processing -- Immediate".
func (e *Effects) dataImmediate(w uint32) bool {
	switch wide := bit(w, 31); w >> 23 & 7 {
	case 0, 1:
		e.pcRelative(w)
		return true
	case 2:
		e.addImmediate(w, wide)
		return true
	case 4:
		return e.logicalImmediate(w, wide)
	case 5:
		return e.moveWide(w, wide)
	case 6:
		return e.bitfield(w, wide)
	case 7:
		return e.extractRegister(w, wide)
	}
	return false // "Add/subtract (immediate, with tags)", "Min/max (immediate)"
}

// pcRelative decodes "PC-rel. addressing".
func (e *Effects) pcRelative(w uint32) {
	rd := regOrZR(w, 0)
	e.addWrite(rd, true)
	n := int64(signed(w, 5, 19))<<2 | int64(w>>29&3)
	v := Value{Kind: ValueAddress, Rd: rd, N: n}
	if bit(w, 31) {
		v.Kind, v.N = ValuePage, n<<12
	}
	e.setValue(v)
}

// setValue records the value that a general register gets. A value for the zero register
// is dropped.
func (e *Effects) setValue(v Value) {
	if v.Rd == ZR {
		v = Value{}
	}
	e.Value = v
}

// addImmediate decodes "Add/subtract (immediate)".
func (e *Effects) addImmediate(w uint32, wide bool) {
	rd, rn := regOrSP(w, 0), regOrSP(w, 5)
	if e.WritesFlags = bit(w, 29); e.WritesFlags {
		rd = regOrZR(w, 0)
	}
	n := int64(field(w, 10, 12))
	if bit(w, 22) {
		n <<= 12
	}
	if bit(w, 30) {
		n = -n
	}
	e.addRead(rn, wide)
	e.addWrite(rd, wide)
	v := Value{Kind: ValueAdd, Rd: rd, Rn: rn, N: n}
	if n == 0 {
		v.Kind = ValueCopy
	}
	e.setValue(v)
}

// logicalImmediate decodes "Logical (immediate)".
func (e *Effects) logicalImmediate(w uint32, wide bool) bool {
	if bit(w, 22) && !wide {
		return false
	}
	n, ok := decodeBitMasks(field(w, 22, 1), field(w, 16, 6), field(w, 10, 6))
	if !wide {
		n &= 1<<32 - 1
	}
	rd, rn, opc := regOrSP(w, 0), regOrZR(w, 5), field(w, 29, 2)
	if e.WritesFlags = opc == 3; e.WritesFlags {
		rd = regOrZR(w, 0)
	}
	e.addRead(rn, wide)
	e.addWrite(rd, wide)
	if rn == ZR && opc == 1 {
		e.setValue(Value{Kind: ValueConstant, Rd: rd, N: int64(n)})
	}
	return ok
}

// moveWide decodes "Move wide (immediate)": MOVN, MOVZ, MOVK.
func (e *Effects) moveWide(w uint32, wide bool) bool {
	opc, shift := field(w, 29, 2), field(w, 21, 2)*16
	if opc == 1 || !wide && shift > 16 {
		return false
	}
	rd, imm := regOrZR(w, 0), int64(field(w, 5, 16))
	e.addWrite(rd, wide)
	v := Value{Kind: ValueConstant, Rd: rd, N: imm << shift}
	switch {
	case opc == 3:
		e.addRead(rd, wide)
		v.Kind, v.N, v.Shift = ValueInsert, imm, uint8(shift)
	case opc == 0 && wide:
		v.N = ^v.N
	case opc == 0:
		v.N = ^v.N & (1<<32 - 1)
	}
	e.setValue(v)
	return true
}

// bitfield decodes "Bitfield": SBFM, BFM and UBFM, whose aliases are the shifts by a
// constant and the extensions. Rn counts as read whole, whichever bits are used.
func (e *Effects) bitfield(w uint32, wide bool) bool {
	opc := field(w, 29, 2)
	if opc == 3 || bit(w, 22) != wide || !wide && (bit(w, 21) || bit(w, 15)) {
		return false
	}
	rd := regOrZR(w, 0)
	if opc == 1 {
		e.addRead(rd, wide)
	}
	e.addRead(regOrZR(w, 5), wide)
	e.addWrite(rd, wide)
	return true
}

// extractRegister decodes "Extract": EXTR, whose alias is the rotation by a constant.
func (e *Effects) extractRegister(w uint32, wide bool) bool {
	if w&0x60200000 != 0 || bit(w, 22) != wide || !wide && bit(w, 15) {
		return false
	}
	e.addRead(regOrZR(w, 5), wide)
	e.addRead(regOrZR(w, 16), wide)
	e.addWrite(regOrZR(w, 0), wide)
	return true
}

// log2 returns the number of the lowest bit of n that is set.
func log2(n uint32) uint32 { return uint32(bits.TrailingZeros32(n)) }
