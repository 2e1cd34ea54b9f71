package arm64

// simdVector decodes the groups "Advanced SIMD" on vectors, and the AES instructions,
// which are encoded among them. Vectors have 128 bits if Q, bit 30, is set, and 64 bits
// if not.
func (e *Effects) simdVector(w uint32) bool {
	k := 3 + field(w, 30, 1)
	switch {
	case bit(w, 24):
		switch {
		case !bit(w, 10):
			return e.byElement(w, k)
		case bit(w, 23):
			return false
		case w&0x780000 == 0:
			return e.modifiedImmediate(w, k)
		}
		return e.shiftImmediate(w, k, &vectorShifts)
	case w&0xff3e0c00 == 0x4e280800:
		return e.aes(w)
	case bit(w, 21):
		switch {
		case bit(w, 10):
			return e.threeSame(w, k)
		case !bit(w, 11):
			return e.threeDifferent(w, k)
		case w&0x1e0000 == 0:
			return e.twoRegisters(w, k)
		case w&0x1e0000 == 0x100000:
			return e.acrossLanes(w, k)
		}
		return false
	case w&0x8400 == 0x8400:
		return e.threeSameExtra(w, k)
	case w&0x20e08400 == 0x400, w&0x60e08400 == 0x60000400:
		return e.copyLane(w, k)
	case w&0x20008c00 == 0x800:
		return e.permute(w, k)
	case w&0x20c08c00 == 0:
		e.tableLookup(w, k)
		return true
	case w&0x20c08400 == 0x20000000: // extract
		e.addVWrite(w, 0, k)
		return (k == 4 || !bit(w, 14)) && e.addVSources(w, k, 2)
	}
	return false
}

// addVReadWrite records that Rd, of 1<<k bytes, is both read and written.
func (e *Effects) addVReadWrite(w, k uint32) {
	e.addVRead(w, 0, k)
	e.addVWrite(w, 0, k)
}

// aes decodes "Cryptographic AES".
func (e *Effects) aes(w uint32) bool {
	switch field(w, 12, 5) {
	case 4, 5: // AESE, AESD
		e.addVReadWrite(w, 4)
	case 6, 7: // AESMC, AESIMC
		e.addVWrite(w, 0, 4)
	default:
		return false
	}
	return !bit(w, 22) && !bit(w, 23) && e.addVSources(w, 4, 1)
}

// shaThreeRegisters decodes "Cryptographic three-register SHA".
func (e *Effects) shaThreeRegisters(w uint32) bool {
	opcode := field(w, 12, 3)
	e.addVReadWrite(w, 4)
	e.addVRead(w, 16, 4)
	if opcode < 3 { // SHA1C, SHA1P, SHA1M
		e.addVRead(w, 5, 2)
	} else {
		e.addVRead(w, 5, 4)
	}
	return opcode < 7 && w&0xc00000 == 0
}

// shaTwoRegisters decodes "Cryptographic two-register SHA".
func (e *Effects) shaTwoRegisters(w uint32) bool {
	k := uint32(4)
	switch field(w, 12, 5) {
	case 0: // SHA1H
		k = 2
		e.addVWrite(w, 0, k)
	case 1, 2: // SHA1SU1, SHA256SU0
		e.addVReadWrite(w, k)
	default:
		return false
	}
	e.addVRead(w, 5, k)
	return w&0xc00000 == 0
}

// sha512 decodes "Cryptographic four-register", "three-register SHA 512", "XAR"
// and "two-register SHA 512".
func (e *Effects) sha512(w uint32) bool {
	e.addVWrite(w, 0, 4)
	e.addVRead(w, 5, 4)
	switch {
	case w&0xffc08000 == 0xce000000: // EOR3, BCAX
		e.addVRead(w, 10, 4)
	case w&0xffe0f000 == 0xce608000: // SHA512H, SHA512H2, SHA512SU1, RAX1
		if w&0xc00 != 0xc00 {
			e.addVRead(w, 0, 4)
		}
	case w&0xffe00000 == 0xce800000: // XAR
	case w&0xfffffc00 == 0xcec08000: // SHA512SU0
		e.addVRead(w, 0, 4)
		return true
	default:
		return false
	}
	e.addVRead(w, 16, 4)
	return true
}

// permute decodes "Advanced SIMD permute": UZP, TRN and ZIP.
func (e *Effects) permute(w, k uint32) bool {
	e.addVWrite(w, 0, k)
	return field(w, 12, 2) != 0 && !(w&0xc00000 == 0xc00000 && k == 3) && e.addVSources(w, k, 2)
}

// tableLookup decodes "Advanced SIMD table lookup": TBL and TBX.
func (e *Effects) tableLookup(w, k uint32) {
	for i := range field(w, 13, 2) + 1 {
		e.addVRead(w>>5+i, 0, 4)
	}
	e.addVRead(w, 16, k)
	e.addVWrite(w, 0, k)
	if bit(w, 12) {
		e.addVRead(w, 0, k)
	}
}

// modifiedImmediate decodes "Advanced SIMD modified immediate": MOVI, MVNI, FMOV, and ORR
// and BIC of an immediate.
func (e *Effects) modifiedImmediate(w, k uint32) bool {
	cmode := field(w, 12, 4)
	if bit(w, 11) || cmode == 15 && bit(w, 29) && k == 3 {
		return false
	}
	if cmode < 12 && cmode&1 == 1 {
		e.addVRead(w, 0, k)
	}
	e.addVWrite(w, 0, k)
	return true
}

// copyLane decodes "Advanced SIMD copy": DUP, INS, SMOV and UMOV.
func (e *Effects) copyLane(w, k uint32) bool {
	imm5, imm4 := field(w, 16, 5), field(w, 11, 4)
	if imm5&15 == 0 {
		return false
	}
	size := log2(imm5)
	index := imm5 >> (size + 1)
	if bit(w, 29) { // INS of an element
		e.addVRead(w, 5, log2Through(imm4>>size, size))
		e.addVReadWrite(w, 4)
		return true
	}
	switch {
	case imm4 == 0 && (size < 3 || k == 4): // DUP of an element
		e.addVRead(w, 5, log2Through(index, size))
		e.addVWrite(w, 0, k)
	case imm4 == 1 && (size < 3 || k == 4): // DUP of a general register
		e.addRead(regOrZR(w, 5), size == 3)
		e.addVWrite(w, 0, k)
	case imm4 == 3 && k == 4: // INS of a general register
		e.addRead(regOrZR(w, 5), size == 3)
		e.addVReadWrite(w, 4)
	case imm4 == 5 && size < k-1, imm4 == 7 && (size < 3 && k == 3 || size == 3 && k == 4): // SMOV, UMOV
		e.addVRead(w, 5, log2Through(index, size))
		e.addWrite(regOrZR(w, 0), k == 4)
		if imm4 == 7 && size >= 2 && index == 0 {
			e.setValue(Value{Kind: ValueFromVector, Rd: regOrZR(w, 0), Rn: regOrSP(w, 5)})
		}
	default:
		return false
	}
	return true
}
