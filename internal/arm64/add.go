package arm64

// A Form is how Go's assembler expands ADD of a constant.
type Form int

const (
	OneADD      Form = iota // a single ADD
	RegisterADD             // the constant into R27, then one ADD; restartable
	TwoADDs                 // two ADDs, with a partial sum between them
)

func (f Form) String() string { return [...]string{"one", "register", "pair"}[f] }

// FormOf returns the form in which Go's assembler writes ADD $n, Rn, Rd for a
// positive n.
//
// The rule is in cmd/internal/obj/arm64/asm7.go. conclass gives a constant the class
// C_ADDCON2 if it is below 1<<24 and is not an ADD immediate (C_ADDCON), not 16 bits
// in place or inverted (C_MOVCON), and not a bitmask immediate (C_BITCON). For
// C_ADDCON2, asmout (case 48) writes two ADDs. They do not use REGTMP, so they are
// neither an unsafe point nor restartable (isUnsafePoint, isRestartable).
func FormOf(n uint64) Form {
	switch {
	case n < 1<<12, n < 1<<24 && n&0xfff == 0:
		return OneADD
	case n < 1<<24 && !isMovcon(n) && !isMovcon(^n) && !isBitcon(n):
		return TwoADDs
	}
	return RegisterADD
}

// isMovcon reports whether all bits of n that are set are in one aligned group of 16,
// so that one MOVZ can load it (movcon in cmd/internal/obj/arm64/asm7.go).
func isMovcon(n uint64) bool {
	for shift := 0; shift < 64; shift += 16 {
		if n&^(0xffff<<shift) == 0 {
			return true
		}
	}
	return false
}

// isBitcon reports whether n is a bitmask immediate: a run of ones, rotated in an
// element of 2, 4, ... 64 bits, and the element repeated to 64 bits (isbitcon in
// cmd/internal/obj/arm64/asm7.go).
func isBitcon(n uint64) bool {
	if n == 0 || n == ^uint64(0) {
		return false
	}
	size := uint(64)
	for size > 2 && n>>(size/2)&(1<<(size/2)-1) == n&(1<<(size/2)-1) {
		size /= 2
	}
	n &= 1<<size - 1
	isRun := func(n uint64) bool { n |= n - 1; return n&(n+1) == 0 } // ones without a gap
	return isRun(n) || isRun(^n&(1<<size-1))
}
