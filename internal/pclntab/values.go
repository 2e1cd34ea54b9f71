package pclntab

import (
	"encoding/binary"
	"fmt"
	"sort"
)

// A PCValue is a value of a table by pc. It is valid from the End of the previous one, or
// from the function's entry, to its own End.
type PCValue struct {
	End   uint64 // address; exclusive
	Value int32
}

// PCValues is a table of values by pc, in ascending order.
type PCValues []PCValue

// At returns the value at pc and the first address for which it is valid. Entry is the
// address of the function. Outside the table the value is -1 and the address 0
// (runtime/symtab.go, pcvalue).
func (v PCValues) At(entry, pc uint64) (value int32, from uint64) {
	i := sort.Search(len(v), func(i int) bool { return v[i].End > pc })
	if i == len(v) || pc < entry {
		return -1, 0
	}
	if i > 0 {
		entry = v[i-1].End
	}
	return v[i].Value, entry
}

// A Cursor looks up values in a table. It is fast if the pcs ascend.
type Cursor struct {
	values PCValues
	entry  uint64
	i      int
}

// Cursor returns a cursor for a function's table.
func (f Func) Cursor(v PCValues) Cursor { return Cursor{values: v, entry: f.Entry} }

// At returns what Values.At returns.
func (c *Cursor) At(pc uint64) (value int32, from uint64) {
	if len(c.values) == 0 {
		return -1, 0
	}
	if c.i > 0 && pc < c.values[c.i-1].End {
		c.i = 0
	}
	for n := 0; pc >= c.values[c.i].End && c.i+1 < len(c.values); n++ {
		if c.i++; n == 8 { // pc is far ahead: search
			return c.values.At(c.entry, pc)
		}
	}
	if pc < c.entry || pc >= c.values[c.i].End {
		return -1, 0
	}
	from = c.entry
	if c.i > 0 {
		from = c.values[c.i-1].End
	}
	return c.values[c.i].Value, from
}

// pcvalues decodes the table at an offset in pctab (runtime/symtab.go, step).
func (f Func) pcvalues(off uint32) (PCValues, error) { return f.appendPCValues(nil, off) }

// appendPCValues appends the values of the table at an offset in pctab. The offset 0 stands for
// an empty table.
func (f Func) appendPCValues(values PCValues, off uint32) (PCValues, error) {
	if off == 0 {
		return values, nil
	}
	if uint64(off) >= uint64(len(f.t.pctab)) {
		return nil, fmt.Errorf("function at %#x: table at %#x out of bounds [0,%#x)", f.Entry, off, len(f.t.pctab))
	}
	p, pc, value := f.t.pctab[off:], f.Entry, int32(-1)
	defer func(before int) { f.t.file.Budget.Work(len(values) - before) }(len(values))
	for len(values) < maxValues {
		delta, n := binary.Uvarint(p)
		if n <= 0 {
			break
		}
		if delta == 0 && pc != f.Entry {
			return values, nil
		}
		step, m := binary.Uvarint(p[n:])
		if m <= 0 || step == 0 || step > (f.End-f.Entry)/pcQuantum+1 || delta > 1<<32-1 {
			break
		}
		p = p[n+m:]
		value += int32(-(delta & 1) ^ delta>>1)
		pc += step * pcQuantum
		values = append(values, PCValue{pc, value})
		if pc > f.End {
			break
		}
	}
	return nil, fmt.Errorf("function at %#x: table at %#x is not a table of values", f.Entry, off)
}

// PCSP returns the table pcsp: by pc, how many bytes below its value at entry the unwinder
// expects the stack pointer to be. It is empty for a function at which the unwinder stops.
func (f Func) PCSP() (PCValues, error) { return f.AppendPCSP(nil) }

// AppendPCSP appends the values of PCSP.
func (f Func) AppendPCSP(values PCValues) (PCValues, error) {
	return f.appendPCValues(values, f.field(f.t.pcspOff))
}
