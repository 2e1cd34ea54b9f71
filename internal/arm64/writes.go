package arm64

// Writes returns the general registers that an instruction writes, with bit 31 for the
// stack pointer. For a call it returns LR only. For a word of no known class it returns
// the register in the field Rd.
func Writes(w uint32) Set {
	var s Set
	if rn, _, _, ok := Writeback(w); ok {
		s = 1 << rn
	}
	switch op0 := w >> 25 & 15; {
	case op0&14 == 8: // data processing, immediate
		if rdIsSP(w) {
			return 1 << reg(w, 0)
		}
		return generalReg(w, 0)
	case op0&14 == 10: // branches, exceptions, system
		switch flow, _, _ := FlowOf(w); {
		case flow == FlowCall:
			return 1 << LR
		case w&0xfff00000 == 0xd5300000, w&0xfff80000 == 0xd5280000: // MRS, SYSL
			return generalReg(w, 0)
		}
		return 0
	case op0&5 == 4:
		return s | loadStoreWrites(w)
	case op0&7 == 5: // data processing, register
		switch {
		case w&0x3fe00000 == 0x0b200000: // ADD, SUB extended, flags not set
			return 1 << reg(w, 0)
		case w&0x1fe00000 == 0x1a400000, w&0x7fe07c10 == 0x3a000400, w&0x7fffbc1f == 0x3a00080d:
			return 0 // CCMP, CCMN; RMIF; SETF
		}
		return generalReg(w, 0)
	case op0&7 == 7: // SIMD and floating point
		return s | simdWrites(w)
	}
	return generalReg(w, 0)
}

// generalReg returns the set of the register in the field at shift, where 31 stands for
// the zero register.
func generalReg(w uint32, shift uint) Set { return 1 << reg(w, shift) & (1<<31 - 1) }

// rdIsSP reports whether 31 in the field Rd of a word of the class "data processing,
// immediate" is the stack pointer. It is for ADD and SUB (with or without tags), AND, ORR
// and EOR, if they do not set flags.
func rdIsSP(w uint32) bool {
	switch w >> 23 & 7 {
	case 2, 3: // add, subtract; with tags
		return w>>29&1 == 0
	case 4: // logical
		return w>>29&3 != 3
	}
	return false
}

// loadStoreWrites returns the general registers that a word of the load and store class
// writes, without a base that is written back.
func loadStoreWrites(w uint32) Set {
	vector := w>>26&1 != 0
	switch {
	case w&0x3b000000 == 0x18000000: // literal
		if vector || w>>30 == 3 { // PRFM
			return 0
		}
		return generalReg(w, 0)
	case w&0x3a000000 == 0x28000000: // pair
		if vector || w>>22&1 == 0 {
			return 0
		}
		return generalReg(w, 0) | generalReg(w, 10)
	case w&0x3f000000 == 0x08000000: // exclusive, ordered, compare and swap
		load, pair := w>>22&1 != 0, w>>21&1 != 0
		ordered := w>>23&1 != 0
		switch {
		case pair && ordered: // CAS: the old value comes back in Rs
			return generalReg(w, 16)
		case pair && w>>31 == 0: // CASP
			return generalReg(w, 16) | 1<<(reg(w, 16)|1)&(1<<31-1)
		case load && pair: // LDXP
			return generalReg(w, 0) | generalReg(w, 10)
		case load:
			return generalReg(w, 0)
		case ordered: // STLR
			return 0
		}
		return generalReg(w, 16) // STXR: the status
	case w&0x3b000000 == 0x39000000, // unsigned offset
		w&0x3b200000 == 0x38000000, // unscaled, pre- and post-indexed
		w&0x3b200c00 == 0x38200800: // register offset
		if vector || w>>22&3 == 0 { // a store
			return 0
		}
		if w>>30 == 3 && w>>22&3 == 2 { // PRFM
			return 0
		}
		return generalReg(w, 0)
	case w&0x3b200c00 == 0x38200000: // atomic: the old value comes back in Rt
		return generalReg(w, 0)
	case w&0x3b200400 == 0x38200400: // authenticated
		return generalReg(w, 0)
	case w&0x3f000000 == 0x19000000: // ordered, unscaled; memory tags
		if w>>22&3 == 0 {
			return 0
		}
		return generalReg(w, 0)
	}
	return 0
}

// simdWrites returns the general register that a word of the SIMD and floating
// point class writes.
func simdWrites(w uint32) Set {
	rd := generalReg(w, 0)
	switch {
	case w&0x5f20fc00 == 0x1e200000: // conversion between floating point and integer
		switch w >> 16 & 7 {
		case 2, 3, 7: // SCVTF, UCVTF, FMOV to a vector
			return 0
		}
		return rd
	case w&0x5f200000 == 0x1e000000: // conversion between floating point and fixed point
		if w>>17&3 == 1 {
			return 0
		}
		return rd
	case w&0xbfe0fc00 == 0x0e003c00, w&0xbfe0fc00 == 0x0e002c00: // UMOV, SMOV
		return rd
	}
	return 0
}

// MayChangeFrameOrFlow reports whether an instruction may write the stack pointer or the
// frame pointer, or may jump. If it is false, neither is the case. If it is true, Writes
// and FlowOf, which are slower, give the answer.
func MayChangeFrameOrFlow(w uint32) bool {
	// Rd or Rt is 29 or 31; branches and system; UDF; some loads and stores.
	return w&fpOrSP == fpOrSP || w&0x1c000000 == 0x14000000 || w>>25 == 0 ||
		w&0x0a000000 == 0x08000000 && loadStoreMayChangeFrame(w)
}

const fpOrSP = 0x1d // the bits that the numbers of the registers 29 and 31 have in common

// loadStoreMayChangeFrame is MayChangeFrameOrFlow for the registers of a load or store
// other than Rt.
func loadStoreMayChangeFrame(w uint32) bool {
	if w&0x3b000000 == 0x39000000 { // unsigned offset, which most of them have
		return false
	}
	pair, exclusive := w&0x3a000000 == 0x28000000, w&0x3f000000 == 0x08000000
	return w>>5&fpOrSP == fpOrSP && // the base, if it is written back
		(w&0x3b000400 == 0x38000400 || w&0x3a800000 == 0x28800000 || w&0xbe800000 == 0x0c800000) ||
		w>>10&fpOrSP == fpOrSP && (pair || exclusive) || // the second register
		w>>16&0x1c == 0x1c && exclusive // the register that is compared, or the status
}

// A Class is what the top byte and the low five bits of a word determine of the result of
// MayChangeFrameOrFlow.
type Class uint8

const (
	ClassIrrelevant Class = iota // it is false
	ClassRelevant                // it is true
	ClassCall                    // it is true, and the word is BL
	ClassLoadStore               // the word is a load or store, and the rest of it decides
)

// Classes holds the class of a word w at w>>24<<5 | w&31.
var Classes = func() (classes [1 << 13]Class) {
	for i := range classes {
		w := uint32(i>>5)<<24 | uint32(i&31)
		switch {
		case w&0xfc000000 == 0x94000000:
			classes[i] = ClassCall
		case w&fpOrSP == fpOrSP, w&0x1c000000 == 0x14000000, w>>25 == 0:
			classes[i] = ClassRelevant
		case w&0x0a000000 == 0x08000000 && w&0x3b000000 != 0x39000000:
			classes[i] = ClassLoadStore
		}
	}
	return classes
}()
