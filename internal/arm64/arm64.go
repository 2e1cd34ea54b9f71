// Package arm64 decodes A64 instruction words.
//
// Decode gives all effects of an instruction. The other functions recognize the few
// kinds of instructions that change the stack pointer or the frame pointer. They are
// several times faster than Decode, so the pass over all code uses them. The tests
// compare them with Decode.
//
// Encodings are those of the Arm Architecture Reference Manual for A-profile,
// chapter C4.
package arm64

// Instructions without operands that vary.
const (
	BranchSelf uint32 = 0x14000000 // B .
	Ret        uint32 = 0xd65f03c0 // RET (R30)
	Nop        uint32 = 0xd503201f // NOOP
)

// Registers, as numbered in instruction words. There 31 means the stack pointer or the
// zero register, depending on the instruction. In a Set it is always the stack pointer.
const (
	R27 = 27 // REGTMP, the assembler's scratch register
	FP  = 29
	LR  = 30
	SP  = 31
)

// A Set is a set of registers. Bit n stands for register n.
type Set uint32

// Has reports whether register r is in the set.
func (s Set) Has(r int) bool { return s>>r&1 != 0 }

// reg returns the number of the register in the field that begins at bit shift.
func reg(w uint32, shift uint) int { return int(w >> shift & 31) }

// AddImmediate decodes ADD and SUB (immediate), 64 bits, flags not set: rd =
// rn + n, where n is negative for SUB. Register 31 is the stack pointer.
func AddImmediate(w uint32) (rd, rn int, n int64, ok bool) {
	if w&0xbf800000 != 0x91000000 {
		return 0, 0, 0, false
	}
	n = int64(w >> 10 & 0xfff)
	if w>>22&1 != 0 {
		n <<= 12
	}
	if w>>30&1 != 0 {
		n = -n
	}
	return reg(w, 0), reg(w, 5), n, true
}

// AddRegister decodes ADD and SUB (extended register), 64 bits, flags not set,
// extended as UXTX: rd = rn ± rm<<shift. Register 31 is the stack pointer as
// rd and rn, and zero as rm.
func AddRegister(w uint32) (rd, rn, rm int, shift uint, sub, ok bool) {
	if w&0xbfe0e000 != 0x8b206000 {
		return 0, 0, 0, 0, false, false
	}
	return reg(w, 0), reg(w, 5), reg(w, 16), uint(w >> 10 & 7), w>>30&1 != 0, true
}

// Move decodes ORR (shifted register) of the zero register, 64 bits: rd = rm.
// Register 31 is zero.
func Move(w uint32) (rd, rm int, ok bool) {
	if w&0xffe0ffe0 != 0xaa0003e0 {
		return 0, 0, false
	}
	return reg(w, 0), reg(w, 16), true
}

// MoveWide decodes MOVZ, MOVN and MOVK, 64 bits. Apply returns the new value of rd,
// which for MOVK depends on the old one. Register 31 is zero.
func MoveWide(w uint32) (rd int, apply func(old uint64) uint64, isMOVK, ok bool) {
	if w&0x9f800000 != 0x92800000 || w>>29&3 == 1 {
		return 0, nil, false, false
	}
	shift := w >> 21 & 3 * 16
	imm := uint64(w>>5&0xffff) << shift
	switch w >> 29 & 3 {
	case 0: // MOVN
		return reg(w, 0), func(uint64) uint64 { return ^imm }, false, true
	case 2: // MOVZ
		return reg(w, 0), func(uint64) uint64 { return imm }, false, true
	}
	return reg(w, 0), func(old uint64) uint64 { return old&^(0xffff<<shift) | imm }, true, true
}

// MoveBitmask decodes ORR (immediate) of the zero register, 64 bits: rd = n.
// Register 31 is the stack pointer.
func MoveBitmask(w uint32) (rd int, n uint64, ok bool) {
	if w&0xff8003e0 != 0xb20003e0 {
		return 0, 0, false
	}
	n, ok = decodeBitMasks(w>>22&1, w>>16&63, w>>10&63)
	return reg(w, 0), n, ok
}

// decodeBitMasks is the function DecodeBitMasks of the manual, for 64 bits. It returns
// a run of imms+1 ones, rotated right by immr in an element whose size n and imms
// encode, and the element repeated. For reserved encodings it returns false.
func decodeBitMasks(n, immr, imms uint32) (uint64, bool) {
	size := uint32(64)
	if n == 0 {
		for size = 32; size >= 2 && imms&size != 0; size >>= 1 {
		}
		if size < 2 {
			return 0, false
		}
	}
	ones, rotate := imms&(size-1)+1, immr&(size-1)
	if ones == size {
		return 0, false
	}
	element := uint64(1)<<ones - 1
	element = element>>rotate | element<<(size-rotate)
	if size < 64 {
		element &= 1<<size - 1
	}
	for ; size < 64; size *= 2 {
		element |= element << size
	}
	return element, true
}

// A Flow says where control goes after an instruction.
type Flow int

const (
	FlowNext   Flow = iota // to the next instruction only
	FlowBranch             // B: to the target only
	FlowCond               // to the target or to the next instruction
	FlowCall               // BL or BLR: to the next instruction, when the callee returns
	FlowExit               // RET, BR, or an instruction that always traps
)

// FlowOf returns where control goes after an instruction. If direct is true, as for
// FlowBranch, FlowCond and BL, offset is the distance in bytes from the instruction to
// its target.
func FlowOf(w uint32) (flow Flow, offset int64, direct bool) {
	signed := func(shift, bits uint) int64 {
		return int64(w>>shift) << (64 - bits) >> (64 - bits) * 4
	}
	switch {
	case w&0xfc000000 == 0x14000000:
		return FlowBranch, signed(0, 26), true
	case w&0xfc000000 == 0x94000000:
		return FlowCall, signed(0, 26), true
	case w&0xfe000000 == 0x54000000, w&0x7e000000 == 0x34000000: // B.cond; CBZ, CBNZ
		return FlowCond, signed(5, 19), true
	case w&0x7e000000 == 0x36000000: // TBZ, TBNZ
		return FlowCond, signed(5, 14), true
	case w&0xfe000000 == 0xd6000000: // unconditional branch (register)
		if w>>21&0xf&^8 == 1 { // BLR and its authenticated forms
			return FlowCall, 0, false
		}
		return FlowExit, 0, false
	case w&0xffe0001f == 0xd4200000, w>>16 == 0: // BRK, UDF
		return FlowExit, 0, false
	}
	return FlowNext, 0, false
}

// IsBR reports whether an instruction is BR, a jump to the address in a register.
func IsBR(w uint32) bool { return w&0xfffffc1f == 0xd61f0000 }

// Writeback decodes a load or store that writes back its base register. It returns the
// base register rn and the number n of bytes that are added to it. If that number is
// in a register, or is not known, exact is false and n is 0.
func Writeback(w uint32) (rn int, n int64, exact, ok bool) {
	rn = reg(w, 5)
	switch {
	case w&0x3b200400 == 0x38000400: // immediate, pre- and post-indexed
		return rn, int64(w>>12) << 55 >> 55, true, true
	case w&0xff200c00 == 0xf8200c00: // authenticated, pre-indexed
		return rn, 0, false, true
	case w&0x3a800000 == 0x28800000: // pair, pre- and post-indexed
		scale := uint(2)
		switch {
		case w>>26&1 != 0:
			scale += uint(w >> 30)
		case w>>31 != 0:
			scale = 3
		}
		return rn, int64(w>>15) << 57 >> 57 << scale, true, true
	case w&0xbe800000 == 0x0c800000: // structures, post-indexed
		return rn, 0, false, true
	}
	return 0, 0, false, false
}

// An Access is a load or store of one or two 64-bit general registers at a constant
// distance from a base register.
type Access struct {
	Load    bool
	Rt, Rt2 int   // Rt2 is at the word after Rt's; 31 if there is only one register
	Rn      int   // the base, before any write-back; 31 is the stack pointer
	Offset  int64 // bytes from the base to the word of Rt
}

// AccessOf decodes LDR, LDUR, LDP, STR, STUR and STP of 64-bit registers with an
// immediate offset, pre-indexed and post-indexed ones included.
func AccessOf(w uint32) (a Access, ok bool) {
	a = Access{Rt: reg(w, 0), Rt2: 31, Rn: reg(w, 5), Load: w>>22&1 != 0}
	switch {
	case w&0xfe000000 == 0xa8000000: // pair
		a.Rt2 = reg(w, 10)
		if mode := w >> 23 & 3; mode != 1 { // not post-indexed
			a.Offset = int64(w>>15) << 57 >> 57 << 3
		}
		return a, true
	case w&0xff800000 == 0xf9000000: // unsigned offset
		a.Offset = int64(w>>10&0xfff) << 3
		return a, true
	case w&0xffa00000 == 0xf8000000: // unscaled, pre- and post-indexed
		switch w >> 10 & 3 {
		case 0, 3:
			a.Offset = int64(w>>12) << 55 >> 55
			return a, true
		case 1:
			return a, true
		}
	}
	return a, false
}
