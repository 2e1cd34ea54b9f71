package victim

// Contract returns the functions for the clauses of the preemption contract that
// Cases are not for. They are apart from Cases because their frames have no
// windows of the stack or frame pointer:
//
//   - 3: frames around the size from which a prologue stores below the stack pointer
//   - 4: functions that keep many integers, floating-point values, flags and whole
//     vector registers live
//   - 5: functions that keep the only pointer to an object in a register; which of
//     them do so in R30 depends on the release
//   - 6: functions with constants and offsets of more than one instruction
//   - 7: functions that store pointers in the heap
func Contract() []Case {
	cases := append([]Case(nil), saveCases...)
	for _, list := range [][]Case{pointerCases, copyCases, constantCases, barrierCases} {
		cases = append(cases, list...)
	}
	return cases
}

// inFrame wraps the call of a function: its result is wrong also if it has not
// left the frame pointer as it was.
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

// mix spreads the bits of x, so that a lost bit of it shows wherever it is.
func mix(x uint64) uint64 {
	x ^= x >> 29
	x *= 0xbf58476d1ce4e5b9
	return x ^ x>>32
}
