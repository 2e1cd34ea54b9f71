// Package victim holds functions of known frame size, and the observers that
// unwind their stacks.
//
// The guest has no other code. The package imports only the standard library and
// uses only the language of Go 1.18, so that any toolchain can build it.
package victim

//go:generate go run gen.go

// garbage is what a cold call leaves in the frame: neither a code address nor
// an address at all, so that whoever believes it dies.
const garbage uint64 = 0xe8e8e8e8e8e8e8e8

// The sum of n words of garbage, modulo 2^64.
const (
	garbageTimes1 = garbage
	garbageTimes3 = 0xbababababababab8
	garbageTimes4 = 0xa3a3a3a3a3a3a3a0
	garbageTimes6 = 0x7575757575757570
	garbageTimes8 = 0x4747474747474740
)

// A Case is a function to preempt.
type Case struct {
	Func  string // name within this package
	Frame int    // bytes, as the function table states them; 0 if no size is meant
	Leaf  bool   // makes no calls; known only if a frame size is meant
	// Clauses are those of the preemption contract that the function is for, of
	// the cases in Contract.
	Clauses []int

	longCall bool // a call takes so long that two of them are many

	// call runs the function. Where cold is true it also fills the low end of
	// its frame with garbage; where it is false it is a handful of
	// instructions long.
	call func(x uint64, cold bool) uint64
	want func(x uint64) uint64 // what call must return

	// drive, if it is there, runs the function in place of loop.
	drive func(seed uint64, done *uint64, stop *uint32) error
}

// Cases returns the functions of every frame size in the table, leaf and
// non-leaf, and the canonical reproducer's shape last.
func Cases() []Case {
	return append(append([]Case(nil), frameCases...), Case{
		Func: "canonical", Frame: 65552, Leaf: true, longCall: true, call: canonical, want: canonicalSum,
	})
}

// Spin is a leaf whose calls are as long as Config.Body says. It is for studies
// of how time to crash depends on that, and not among the cases of a verdict.
var Spin = Case{Func: "spin", Frame: 65568, Leaf: true, call: spin, want: spinSum}

// Find returns the case of a function name.
func Find(name string) (Case, bool) {
	for _, c := range append(append(Cases(), Spin), Contract()...) {
		if c.Func == name {
			return c, true
		}
	}
	return Case{}, false
}

func triple(x uint64) uint64 { return x*3 + 1 }

//go:noinline
func touch() {}

// canonical has the shape of the reproducer in golang/go#73259: a leaf that
// fills 64 KiB of stack and sums it, so that a call is some hundred thousand
// instructions long and two of them are the epilogue's.
//
//go:noinline
func canonical(x uint64, _ bool) uint64 {
	var buffer [1 << 16]byte
	for i := range buffer {
		buffer[i] = byte(x)
	}
	sum := uint64(0)
	for i := range buffer {
		sum += uint64(buffer[i])
	}
	return sum
}

func canonicalSum(x uint64) uint64 { return uint64(byte(x)) << 16 }

// spinBody is Config.Body.
var spinBody uint64

//go:noinline
func spin(x uint64, cold bool) uint64 {
	if cold {
		var a [8194]uint64
		for i := 0; i < 520; i++ {
			a[i] = garbage
		}
		x += a[7] - garbageTimes1
	}
	for n := spinBody; n > 0; n-- {
		x = x ^ n
	}
	return x*3 + 1
}

func spinSum(x uint64) uint64 {
	for n := spinBody; n > 0; n-- {
		x = x ^ n
	}
	return triple(x)
}
