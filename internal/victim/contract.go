package victim

// Contract returns the functions for clauses 3 to 7 of the preemption contract. Cases are
// for clauses 1 and 2. The frames of Contract's functions have no windows of the stack
// pointer or the frame pointer. By clause they are
//
//   - 3: functions with frames around the size from which a prologue stores below the
//     stack pointer
//   - 4: functions with many live integers, floating-point values, flags and whole vector
//     registers
//   - 5: functions that keep the only pointer to an object in a register; the release
//     decides which of them use R30
//   - 6: functions with constants and offsets that need more than one instruction
//   - 7: functions that overwrite pointers in the heap
func Contract() []Case {
	cases := append([]Case(nil), saveCases...)
	for _, list := range [][]Case{pointerCases, copyCases, constantCases, barrierCases} {
		cases = append(cases, list...)
	}
	return cases
}

// inFrame wraps a function. The wrapper also returns a wrong result if the function
// changed its caller's frame pointer.
func inFrame(call func(uint64, bool) uint64) func(uint64, bool) uint64 {
	return func(x uint64, cold bool) uint64 {
		before := framePointer()
		result := call(x, cold)
		if framePointer() != before {
			return ^result
		}
		return result
	}
}

// mix spreads the bits of x over the whole word, so that the loss of any bit shows.
func mix(x uint64) uint64 {
	x ^= x >> 29
	x *= 0xbf58476d1ce4e5b9
	return x ^ x>>32
}
