package victim

import "sync"

// constantCases are functions with constants and offsets that need several instructions
// and REGTMP. The assembler marks these sequences restartable
// (cmd/internal/obj/arm64/obj7.go, isRestartable). Newer compilers load the constants into
// other registers. The offsets need REGTMP in every release.
var constantCases = []Case{
	{Func: "addConstants", Clauses: []int{6}, call: addConstants, want: wantAddConstants},
	{Func: "logicConstants", Clauses: []int{6}, call: logicConstants, want: wantLogicConstants},
	{Func: "farLoads", Clauses: []int{6}, call: callFarLoads, want: triple},
	{Func: "farStores", Clauses: []int{6}, call: callFarStores, want: triple},
}

// The same numbers as variables: what is computed from them has no large constants.
var (
	oneADD   uint64 = 0x5000
	twoADDs  uint64 = 0x123456
	viaTMP   uint64 = 0x123456789abcdef
	viaTMP32 uint64 = 0x7654321
	halfTMP  uint64 = 0xabcd
)

//go:noinline
func addConstants(x uint64, _ bool) uint64 {
	x += 0x5000
	x += x >> 1
	x += 0x123456
	x += x >> 3
	x += 0x123456789abcdef
	x += x >> 5
	x -= 0x7654321
	x += x >> 7
	x -= 0xabcd
	return x
}

func wantAddConstants(x uint64) uint64 {
	x += oneADD
	x += x >> 1
	x += twoADDs
	x += x >> 3
	x += viaTMP
	x += x >> 5
	x -= viaTMP32
	x += x >> 7
	return x - halfTMP
}

//go:noinline
func logicConstants(x uint64, _ bool) uint64 {
	x ^= 0x123456789abcdef
	x += x >> 9
	x |= 0x7654321
	x *= 3
	x &= ^uint64(0x1234560)
	x += x >> 11
	x ^= 0xabcd1234
	if x < 0x123456789abcdef {
		x++
	}
	return x
}

func wantLogicConstants(x uint64) uint64 {
	x ^= viaTMP
	x += x >> 9
	x |= viaTMP32
	x *= 3
	x &= ^(twoADDs << 4)
	x += x >> 11
	x ^= halfTMP<<16 | 0x1234
	if x < viaTMP {
		x++
	}
	return x
}

// A farStruct has fields at offsets that are too large for the 12 bits in a load.
type farStruct struct {
	_    [40000]byte
	next *farStruct
	_    [40000]byte
	n    uint64
	_    [200000]byte
	last uint64
}

// chain is two structs that point to each other. makeChain makes them.
var (
	chain     [2]*farStruct
	makeChain sync.Once
)

// farLoads follows pointers. Each load overwrites the register that its address was
// computed from.
//
//go:noinline
func farLoads(f *farStruct) uint64 {
	f = f.next
	f = f.next
	f = f.next
	return f.n<<8 | f.last
}

func callFarLoads(x uint64, _ bool) uint64 {
	makeChain.Do(func() {
		chain = [2]*farStruct{{n: 5, last: 7}, {n: 5, last: 7}}
		chain[0].next, chain[1].next = chain[1], chain[0]
	})
	return triple(x) + farLoads(chain[x&1]) - (5<<8 | 7)
}

//go:noinline
func farStores(f *farStruct, x uint64) {
	f.n = x
	f.last = x + 1
	f.n += 0x123456
}

// spare keeps the structs that farStores writes to. Each victim uses one at a time.
var spare = make(chan *farStruct, 64)

func callFarStores(x uint64, _ bool) uint64 {
	var f *farStruct
	select {
	case f = <-spare:
	default:
		f = new(farStruct)
	}
	farStores(f, x)
	result := triple(f.n-twoADDs) + f.last - x - 1
	select {
	case spare <- f:
	default:
	}
	return result
}
