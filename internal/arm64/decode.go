package arm64

// Decode returns the effects of an instruction word. It knows what Go's
// compiler and assembler emit (cmd/internal/obj/arm64), hand-written assembly of
// the standard library included, and what C compilers emit for Armv8.2 without
// half precision. For other words ok is false: they may do anything.
//
// The tests compare it with golang.org/x/arch/arm64/arm64asm and with objdump.
// Groups of encodings are named as in the Arm Architecture Reference Manual,
// chapter C4.
func Decode(word uint32) (e Effects, ok bool) {
	switch word >> 25 & 15 {
	case 8, 9:
		ok = e.immediate(word)
	case 10, 11:
		ok = e.control(word)
	case 4, 6, 12, 14:
		ok = e.loadStore(word)
	case 5, 13:
		ok = e.register(word)
	case 7, 15:
		ok = e.vector(word)
	case 0:
		if ok = word>>16 == 0; ok { // UDF
			e.Sys, e.Jump = Break, Jump{Kind: JumpTrap, Reg: NoRegister}
		}
	}
	switch {
	case ok:
	case word == undef:
		return Effects{Sys: Break, Jump: Jump{Kind: JumpTrap, Reg: NoRegister}}, true
	default:
		return Effects{}, false
	}
	return e, true
}

// undef is UNDEF as the assembler wrote it up to Go 1.23 (case 90 of asmout in
// cmd/internal/obj/arm64/asm7.go): a word that is not allocated. Later releases
// write UDF.
const undef = 0xbea71700

// field returns bits [shift, shift+n) of a word.
func field(w uint32, shift, n uint) uint32 { return w >> shift & (1<<n - 1) }

// bit reports whether bit n of a word is set.
func bit(w uint32, n uint) bool { return w>>n&1 != 0 }

// signed returns bits [shift, shift+n) of a word as a signed number.
func signed(w uint32, shift, n uint) int32 {
	return int32(w<<(32-shift-n)) >> (32 - n)
}

// orZero returns the number of a register for which 31 stands for zero.
func orZero(w uint32, shift uint) int8 {
	if r := field(w, shift, 5); r != 31 {
		return int8(r)
	}
	return ZR
}

// orSP returns the number of a register for which 31 stands for the stack pointer.
func orSP(w uint32, shift uint) int8 { return int8(field(w, shift, 5)) }

// reads notes that a general register is read, all of it or its low 32 bits.
func (e *Effects) reads(r int8, wide bool) {
	if r == ZR {
		return
	}
	e.Reads |= 1 << r
	if wide {
		e.Reads64 |= 1 << r
	}
}

// writes notes that a general register is written, in 64 or 32 bits.
func (e *Effects) writes(r int8, wide bool) {
	if r == ZR {
		return
	}
	e.Writes |= 1 << r
	if wide {
		e.Writes64 |= 1 << r
	}
}

// vreads notes that 1<<k bytes of the vector register at shift are read.
func (e *Effects) vreads(w uint32, shift uint, k uint32) {
	e.VReads[k] |= 1 << field(w, shift, 5)
}

// vwrites notes that 1<<k bytes of the vector register at shift are written.
func (e *Effects) vwrites(w uint32, shift uint, k uint32) {
	e.VWrites[k] |= 1 << field(w, shift, 5)
}
