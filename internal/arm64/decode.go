package arm64

// Decode returns the effects of an instruction word. It decodes what Go's compiler and
// assembler emit (cmd/internal/obj/arm64), including the assembly of the standard
// library, and what C compilers emit for Armv8.2 without half precision. For other
// words ok is false and the effects are not known.
//
// The tests compare it with golang.org/x/arch/arm64/arm64asm and with objdump.
// Groups of encodings are named as in the Arm Architecture Reference Manual,
// chapter C4.
func Decode(word uint32) (e Effects, ok bool) {
	switch word >> 25 & 15 {
	case 8, 9:
		ok = e.dataImmediate(word)
	case 10, 11:
		ok = e.branchOrSystem(word)
	case 4, 6, 12, 14:
		ok = e.loadStore(word)
	case 5, 13:
		ok = e.dataRegister(word)
	case 7, 15:
		ok = e.simdOrFloat(word)
	case 0:
		if ok = word>>16 == 0; ok { // UDF
			e.Sys, e.Jump = SysBreak, Jump{Kind: JumpTrap, Reg: NoRegister}
		}
	}
	switch {
	case ok:
	case word == undef:
		return Effects{Sys: SysBreak, Jump: Jump{Kind: JumpTrap, Reg: NoRegister}}, true
	default:
		return Effects{}, false
	}
	return e, true
}

// undef is the word for UNDEF of Go's assembler up to Go 1.23, which is not allocated
// (case 90 of asmout in cmd/internal/obj/arm64/asm7.go). Later releases write UDF.
const undef = 0xbea71700

// field returns bits [shift, shift+n) of a word.
func field(w uint32, shift, n uint) uint32 { return w >> shift & (1<<n - 1) }

// bit reports whether bit n of a word is set.
func bit(w uint32, n uint) bool { return w>>n&1 != 0 }

// signed returns bits [shift, shift+n) of a word as a signed number.
func signed(w uint32, shift, n uint) int32 {
	return int32(w<<(32-shift-n)) >> (32 - n)
}

// regOrZR returns the number of the register in the field at shift, where 31 stands for
// the zero register.
func regOrZR(w uint32, shift uint) int8 {
	if r := field(w, shift, 5); r != 31 {
		return int8(r)
	}
	return ZR
}

// regOrSP returns the number of the register in the field at shift, where 31 stands for
// the stack pointer.
func regOrSP(w uint32, shift uint) int8 { return int8(field(w, shift, 5)) }

// addRead records that general register r is read: all 64 bits if wide, and the low 32
// bits if not.
func (e *Effects) addRead(r int8, wide bool) {
	if r == ZR {
		return
	}
	e.Reads |= 1 << r
	if wide {
		e.Reads64 |= 1 << r
	}
}

// addWrite records that general register r is written, with 64 bits if wide, and with
// 32 bits if not.
func (e *Effects) addWrite(r int8, wide bool) {
	if r == ZR {
		return
	}
	e.Writes |= 1 << r
	if wide {
		e.Writes64 |= 1 << r
	}
}

// addVRead records that 1<<k bytes of the vector register in the field at shift are read.
func (e *Effects) addVRead(w uint32, shift uint, k uint32) {
	e.VReads[k] |= 1 << field(w, shift, 5)
}

// addVWrite records that 1<<k bytes of the vector register in the field at shift are
// written.
func (e *Effects) addVWrite(w uint32, shift uint, k uint32) {
	e.VWrites[k] |= 1 << field(w, shift, 5)
}
