// Package victim has the victims, which are functions that a guest runs so that they are
// preempted, and the observers that make the runtime look at their stacks. Many victims
// have a frame of a known size. Others compute a wrong result, or lose an object, if a
// toolchain breaks one of clauses 3 to 7 of the preemption contract (docs/contract.md).
//
// A guest is a program that only calls Main. The package imports only the standard library
// and uses only the language of Go 1.18, so that any toolchain can build it.
package victim

//go:generate go run gen.go

// garbage is what a cold call leaves in the frame. No memory has this address, so an
// unwinder that uses it as an address dies.
const garbage uint64 = 0xe8e8e8e8e8e8e8e8

// garbageTimesN is the sum of N words of garbage, modulo 2^64.
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
	Frame int    // size in bytes, as the function table has it; 0 if it does not matter
	Leaf  bool   // makes no calls; not set if Frame is 0
	// Clauses are the clauses of the preemption contract that a case in Contract is for.
	Clauses []int

	longCall bool // a call is so long that loop must check after each one whether to stop

	// call runs the function. A cold call also fills the low end of its frame with
	// garbage. Other calls execute few instructions.
	call func(x uint64, cold bool) uint64
	want func(x uint64) uint64 // what call must return

	// drive, if it is not nil, does the work of loop for this function.
	drive func(seed uint64, done *uint64, stop *uint32) error
}

// Cases returns a leaf and a non-leaf function for every frame size in the table of
// gen.go. The last case has the shape of the canonical reproducer.
func Cases() []Case {
	return append(append([]Case(nil), frameCases...), Case{
		Func: "canonical", Frame: 65552, Leaf: true, longCall: true, call: canonical, want: canonicalSum,
	})
}

// Spin is a leaf function. Config.Body says how long its calls are. It shows how the time
// to crash depends on that length. Verdicts do not use it, and Cases does not return it.
var Spin = Case{Func: "spin", Frame: 65568, Leaf: true, call: spin, want: spinSum}

// Find returns the case with a function name. It searches Cases, Spin and Contract.
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

// canonical has the shape of the reproducer in golang/go#73259. It is a leaf that fills
// 64 KiB of stack and adds them up. A call executes some hundred thousand instructions,
// and only two of them adjust the stack pointer in the epilogue.
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
