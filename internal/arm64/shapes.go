package arm64

// A shape describes an opcode of an Advanced SIMD group. The low four bits are the values
// of the size field for which the opcode is allocated. The upper bits are flags for what
// it does with its registers.
type shape uint8

const (
	all       shape = 15     // sizes 0 to 3
	short     shape = 7      // sizes 0 to 2
	low       shape = 3      // sizes 0 and 1: the upper bit of size belongs to the opcode
	high2     shape = 12     // sizes 2 and 3
	middle    shape = 6      // 16 and 32 bits
	long64    shape = 8      // 64 bits
	first     shape = 1      // size 0
	keep      shape = 1 << 4 // the destination is also a source
	narrow    shape = 1 << 5 // the destination's elements are half as wide
	widen     shape = 1 << 6 // the destination's elements are twice as wide
	float     shape = 1 << 7 // double precision if the lower bit of size is set, and single if not
	floatAll        = float | all
	floatLow        = float | low
	floatHigh       = float | high2
)

// shapes has the shape of each opcode of a group: 32 with U=0, then 32 with U=1. It is 0
// for an opcode that is not allocated.
type shapes [64]shape

// lookup returns the shape of a word whose opcode is in the field at opcodeShift, the
// word's size field, and whether the opcode is allocated for that size.
func (t *shapes) lookup(w uint32, opcodeShift uint) (s shape, size uint32, ok bool) {
	size = field(w, 22, 2)
	s = t[field(w, 29, 1)<<5|field(w, opcodeShift, 5)]
	return s, size, s>>size&1 != 0
}

// lookupVector is lookup for vectors of 1<<k bytes, which must hold at least two elements.
func (t *shapes) lookupVector(w uint32, opcodeShift uint, k uint32) (s shape, size uint32, ok bool) {
	s, size, ok = t.lookup(w, opcodeShift)
	if k == 3 && s&(narrow|widen) == 0 && (size == 3 || s&float != 0 && size == 1) {
		ok = false
	}
	return s, size, ok
}

const u = 32 // added to an opcode with U=1

// vectorsThreeSame is "Advanced SIMD three same", without the logical instructions, which
// have opcode 3 and use size as a part of it.
var vectorsThreeSame = shapes{
	0: short, 1: all, 2: short, 4: short, 5: all, 6: all, 7: all,
	8: all, 9: all, 10: all, 11: all, 12: short, 13: short, 14: short, 15: short | keep,
	16: all, 17: all, 18: short | keep, 19: short, 20: short, 21: short, 22: middle, 23: all,
	24: floatAll, 25: floatAll | keep, 26: floatAll, 27: floatLow, 28: floatLow, 30: floatAll, 31: floatAll,
	u + 0: short, u + 1: all, u + 2: short, u + 4: short, u + 5: all, u + 6: all, u + 7: all,
	u + 8: all, u + 9: all, u + 10: all, u + 11: all, u + 12: short, u + 13: short, u + 14: short, u + 15: short | keep,
	u + 16: all, u + 17: all, u + 18: short | keep, u + 19: first, u + 20: short, u + 21: short, u + 22: middle,
	u + 24: floatAll, u + 26: floatAll, u + 27: floatLow, u + 28: floatAll, u + 29: floatAll, u + 30: floatAll, u + 31: floatLow,
}

// scalarsThreeSame is "Advanced SIMD scalar three same".
var scalarsThreeSame = shapes{
	1: all, 5: all, 6: long64, 7: long64, 8: long64, 9: all, 10: long64, 11: all,
	16: long64, 17: long64, 22: middle, 27: floatLow, 28: floatLow, 31: floatAll,
	u + 1: all, u + 5: all, u + 6: long64, u + 7: long64, u + 8: long64, u + 9: all, u + 10: long64, u + 11: all,
	u + 16: long64, u + 17: long64, u + 22: middle, u + 26: floatHigh, u + 28: floatAll, u + 29: floatAll,
}

// vectorsTwoRegisters is "Advanced SIMD two-register miscellaneous".
var vectorsTwoRegisters = shapes{
	0: short, 1: first, 2: short, 3: all | keep, 4: short, 5: first, 6: short | keep, 7: all,
	8: all, 9: all, 10: all, 11: all, 12: floatHigh, 13: floatHigh, 14: floatHigh, 15: floatHigh,
	18: short | narrow, 20: short | narrow, 22: floatLow | narrow, 23: floatLow | widen,
	24: floatAll, 25: floatAll, 26: floatAll, 27: floatAll, 28: floatLow | 4, 29: floatAll,
	u + 0: low, u + 2: short, u + 3: all | keep, u + 4: short, u + 5: low, u + 6: short | keep, u + 7: all,
	u + 8: all, u + 9: all, u + 11: all, u + 12: floatHigh, u + 13: floatHigh, u + 15: floatHigh,
	u + 18: short | narrow, u + 19: short | widen, u + 20: short | narrow, u + 22: float | 2 | narrow,
	u + 24: floatLow, u + 25: floatAll, u + 26: floatAll, u + 27: floatAll, u + 28: floatLow | 4, u + 29: floatAll, u + 31: floatHigh,
}

// scalarsTwoRegisters is "Advanced SIMD scalar two-register miscellaneous".
var scalarsTwoRegisters = shapes{
	3: all | keep, 7: all, 8: long64, 9: long64, 10: long64, 11: long64, 12: floatHigh, 13: floatHigh, 14: floatHigh,
	20: short | narrow, 26: floatAll, 27: floatAll, 28: floatLow, 29: floatAll, 31: floatHigh,
	u + 3: all | keep, u + 7: all, u + 8: long64, u + 9: long64, u + 11: long64, u + 12: floatHigh, u + 13: floatHigh,
	u + 18: short | narrow, u + 20: short | narrow, u + 22: float | 2 | narrow,
	u + 26: floatAll, u + 27: floatAll, u + 28: floatLow, u + 29: floatAll,
}

// vectorShifts is "Advanced SIMD shift by immediate". The highest bit of immh that is set
// gives the size.
var vectorShifts = shapes{
	0: all, 2: all | keep, 4: all, 6: all | keep, 10: all, 14: all,
	16: short | narrow, 17: short | narrow, 18: short | narrow, 19: short | narrow, 20: short | widen, 28: high2, 31: high2,
	u + 0: all, u + 2: all | keep, u + 4: all, u + 6: all | keep, u + 8: all | keep, u + 10: all | keep, u + 12: all, u + 14: all,
	u + 16: short | narrow, u + 17: short | narrow, u + 18: short | narrow, u + 19: short | narrow, u + 20: short | widen,
	u + 28: high2, u + 31: high2,
}

// scalarShifts is "Advanced SIMD scalar shift by immediate".
var scalarShifts = shapes{
	0: long64, 2: long64 | keep, 4: long64, 6: long64 | keep, 10: long64, 14: all,
	18: short | narrow, 19: short | narrow, 28: high2, 31: high2,
	u + 0: long64, u + 2: long64 | keep, u + 4: long64, u + 6: long64 | keep, u + 8: long64 | keep, u + 10: long64 | keep,
	u + 12: all, u + 14: all, u + 16: short | narrow, u + 17: short | narrow, u + 18: short | narrow, u + 19: short | narrow,
	u + 28: high2, u + 31: high2,
}
