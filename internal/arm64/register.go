package arm64

// dataRegister decodes "Data Processing -- Register".
func (e *Effects) dataRegister(w uint32) bool {
	wide := bit(w, 31)
	switch {
	case !bit(w, 28) && !bit(w, 24):
		return e.logicalShifted(w, wide)
	case !bit(w, 28) && !bit(w, 21):
		return e.addShifted(w, wide)
	case !bit(w, 28):
		return e.addExtended(w, wide)
	case bit(w, 24):
		return e.threeSources(w, wide)
	}
	switch field(w, 21, 3) {
	case 0:
		return e.addCarry(w, wide)
	case 2:
		return e.conditionalCompare(w, wide)
	case 4:
		return e.conditionalSelect(w, wide)
	case 6:
		if bit(w, 30) {
			return e.oneSource(w, wide)
		}
		return e.twoSources(w, wide)
	}
	return false
}

// addRdRnRm records that Rn and Rm are read and Rd is written.
func (e *Effects) addRdRnRm(w uint32, wide bool) {
	e.addRead(regOrZR(w, 5), wide)
	e.addRead(regOrZR(w, 16), wide)
	e.addWrite(regOrZR(w, 0), wide)
}

// logicalShifted decodes "Logical (shifted register)".
func (e *Effects) logicalShifted(w uint32, wide bool) bool {
	if !wide && bit(w, 15) {
		return false
	}
	e.addRdRnRm(w, wide)
	e.WritesFlags = field(w, 29, 2) == 3
	if w&0x60e0ffe0 == 0x200003e0 { // ORR of the zero register, not shifted
		v := Value{Kind: ValueCopy, Rd: regOrZR(w, 0), Rn: regOrZR(w, 16)}
		if v.Rn == ZR {
			v = Value{Kind: ValueConstant, Rd: v.Rd}
		}
		e.setValue(v)
	}
	return true
}

// addShifted decodes "Add/subtract (shifted register)".
func (e *Effects) addShifted(w uint32, wide bool) bool {
	shift := field(w, 22, 2)
	if shift == 3 || !wide && bit(w, 15) {
		return false
	}
	e.addRdRnRm(w, wide)
	e.WritesFlags = bit(w, 29)
	e.setValue(Value{
		Kind: ValueAddReg + ValueKind(field(w, 30, 1)),
		Rd:   regOrZR(w, 0), Rn: regOrZR(w, 5), Rm: regOrZR(w, 16),
		Extend: LSL + Extend(shift), Shift: uint8(field(w, 10, 6)),
	})
	return true
}

// addExtended decodes "Add/subtract (extended register)".
func (e *Effects) addExtended(w uint32, wide bool) bool {
	shift := field(w, 10, 3)
	if field(w, 22, 2) != 0 || shift > 4 {
		return false
	}
	rd, rn, rm, extend := regOrSP(w, 0), regOrSP(w, 5), regOrZR(w, 16), Extend(field(w, 13, 3))
	if e.WritesFlags = bit(w, 29); e.WritesFlags {
		rd = regOrZR(w, 0)
	}
	e.addRead(rn, wide)
	e.addRead(rm, wide && extend&3 == UXTX)
	e.addWrite(rd, wide)
	e.setValue(Value{
		Kind: ValueAddReg + ValueKind(field(w, 30, 1)),
		Rd:   rd, Rn: rn, Rm: rm, Extend: extend, Shift: uint8(shift),
	})
	return true
}

// addCarry decodes "Add/subtract (with carry)", "Rotate right into flags" and
// "Evaluate into flags".
func (e *Effects) addCarry(w uint32, wide bool) bool {
	switch {
	case field(w, 10, 6) == 0:
		e.addRdRnRm(w, wide)
		e.ReadsFlags, e.WritesFlags = true, bit(w, 29)
	case w&0xffe07c10 == 0xba000400: // RMIF
		e.addRead(regOrZR(w, 5), true)
		e.ReadsFlags, e.WritesFlags = true, true
	case w&0xffffbc1f == 0x3a00080d: // SETF8, SETF16
		e.addRead(regOrZR(w, 5), false)
		e.ReadsFlags, e.WritesFlags = true, true
	default:
		return false
	}
	return true
}

// conditionalCompare decodes "Conditional compare (register)" and "(immediate)".
func (e *Effects) conditionalCompare(w uint32, wide bool) bool {
	if w&0x20000410 != 0x20000000 {
		return false
	}
	e.addRead(regOrZR(w, 5), wide)
	if !bit(w, 11) {
		e.addRead(regOrZR(w, 16), wide)
	}
	e.ReadsFlags, e.WritesFlags = true, true
	return true
}

// conditionalSelect decodes "Conditional select".
func (e *Effects) conditionalSelect(w uint32, wide bool) bool {
	if w&0x20000800 != 0 {
		return false
	}
	e.addRdRnRm(w, wide)
	e.ReadsFlags = true
	if w&0x40000400 == 0 {
		e.setValue(Value{Kind: ValueSelect, Rd: regOrZR(w, 0), Rn: regOrZR(w, 5), Rm: regOrZR(w, 16)})
	}
	return true
}

// threeSources decodes "Data-processing (3 source)".
func (e *Effects) threeSources(w uint32, wide bool) bool {
	wideSources := wide
	switch field(w, 29, 2)<<3 | field(w, 21, 3) {
	case 0: // MADD, MSUB
	case 1, 5: // SMADDL, SMSUBL; UMADDL, UMSUBL
		wideSources = false
		if !wide {
			return false
		}
	case 2, 6: // SMULH, UMULH: Ra is not read
		if !wide || bit(w, 15) {
			return false
		}
		e.addRdRnRm(w, true)
		return true
	default:
		return false
	}
	e.addRead(regOrZR(w, 5), wideSources)
	e.addRead(regOrZR(w, 16), wideSources)
	e.addRead(regOrZR(w, 10), wide)
	e.addWrite(regOrZR(w, 0), wide)
	return true
}

// twoSources decodes "Data-processing (2 source)": divisions, shifts by a
// register, CRC32.
func (e *Effects) twoSources(w uint32, wide bool) bool {
	if bit(w, 29) {
		return false
	}
	switch opcode := field(w, 10, 6); opcode {
	case 2, 3, 8, 9, 10, 11:
		e.addRdRnRm(w, wide)
	case 16, 17, 18, 19, 20, 21, 22, 23:
		if wide != (opcode&3 == 3) {
			return false
		}
		e.addRead(regOrZR(w, 5), false)
		e.addRead(regOrZR(w, 16), wide)
		e.addWrite(regOrZR(w, 0), false)
	default:
		return false
	}
	return true
}

// oneSource decodes "Data-processing (1 source)": RBIT, REV, CLZ, CLS.
func (e *Effects) oneSource(w uint32, wide bool) bool {
	if opcode := field(w, 10, 11); bit(w, 29) || opcode > 5 || opcode == 3 && !wide {
		return false
	}
	e.addRead(regOrZR(w, 5), wide)
	e.addWrite(regOrZR(w, 0), wide)
	return true
}
