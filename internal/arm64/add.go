package arm64

// A Form is how Go's assembler expands ADD of a constant.
type Form int

const (
	OneADD      Form = iota // a single ADD
	RegisterADD             // the constant into R27, then one ADD; restartable
	TwoADDs                 // two ADDs, with a partial sum between them
)

func (f Form) String() string { return [...]string{"one", "register", "pair"}[f] }

// Expand returns the form in which Go's assembler writes ADD $n, Rn, Rd for a
// positive n.
//
// The rule is that of cmd/internal/obj/arm64/asm7.go: conclass puts a constant
// that is neither an ADD immediate (C_ADDCON), nor 16 bits in place or
// inverted (C_MOVCON), nor a bitmask (C_BITCON), and is below 1<<24, into
// C_ADDCON2, which optab's case 48 expands to two ADDs. It does not use
// REGTMP, so isUnsafePoint and isRestartable both say no.
func Expand(n uint64) Form {
	switch {
	case n < 1<<12, n < 1<<24 && n&0xfff == 0:
		return OneADD
	case n < 1<<24 && !sixteenBits(n) && !sixteenBits(^n) && !isBitmask(n):
		return TwoADDs
	}
	return RegisterADD
}

// sixteenBits reports whether n has no bits outside one aligned group of 16.
func sixteenBits(n uint64) bool {
	for shift := 0; shift < 64; shift += 16 {
		if n&^(0xffff<<shift) == 0 {
			return true
		}
	}
	return false
}

// isBitmask reports whether n is a bitmask immediate: a run of ones, rotated
// in an element of 2, 4, ... 64 bits that repeats.
func isBitmask(n uint64) bool {
	if n == 0 || n == ^uint64(0) {
		return false
	}
	size := uint(64)
	for size > 2 && n>>(size/2)&(1<<(size/2)-1) == n&(1<<(size/2)-1) {
		size /= 2
	}
	n &= 1<<size - 1
	run := func(n uint64) bool { n |= n - 1; return n&(n+1) == 0 } // ones without a gap
	return run(n) || run(^n&(1<<size-1))
}
