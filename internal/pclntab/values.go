package pclntab

import (
	"encoding/binary"
	"fmt"
	"sort"
)

// A Value holds from the end of the value before it, or the function's entry,
// up to End.
type Value struct {
	End   uint64
	Value int32
}

// Values is a table of values by pc, in order.
type Values []Value

// At returns the value at a pc and the address from which it holds; -1 outside
// the table (runtime/symtab.go, pcvalue).
func (v Values) At(entry, pc uint64) (value int32, from uint64) {
	i := sort.Search(len(v), func(i int) bool { return v[i].End > pc })
	if i == len(v) || pc < entry {
		return -1, 0
	}
	if i > 0 {
		entry = v[i-1].End
	}
	return v[i].Value, entry
}

// A Cursor looks values up in a table. It is fast if pcs come in order.
type Cursor struct {
	values Values
	entry  uint64
	i      int
}

// Cursor returns a cursor for a function's table.
func (f Func) Cursor(v Values) Cursor { return Cursor{values: v, entry: f.Entry} }

// At returns what Values.At returns.
func (c *Cursor) At(pc uint64) (value int32, from uint64) {
	if len(c.values) == 0 {
		return -1, 0
	}
	if c.i > 0 && pc < c.values[c.i-1].End {
		c.i = 0
	}
	for n := 0; pc >= c.values[c.i].End && c.i+1 < len(c.values); n++ {
		if c.i++; n == 8 { // far
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

// values decodes the table at an offset (runtime/symtab.go, step).
func (f Func) values(off uint32) (Values, error) { return f.appendValues(nil, off) }

// appendValues appends the values of the table at an offset.
func (f Func) appendValues(values Values, off uint32) (Values, error) {
	if off == 0 {
		return values, nil
	}
	if uint64(off) >= uint64(len(f.t.pcs)) {
		return nil, fmt.Errorf("function at %#x: table at %#x out of bounds [0,%#x)", f.Entry, off, len(f.t.pcs))
	}
	p, pc, value := f.t.pcs[off:], f.Entry, int32(-1)
	defer func(had int) { f.t.file.Budget.Work(len(values) - had) }(len(values))
	for len(values) < maxValues {
		delta, n := binary.Uvarint(p)
		if n <= 0 {
			break
		}
		if delta == 0 && pc != f.Entry {
			return values, nil
		}
		step, m := binary.Uvarint(p[n:])
		if m <= 0 || step == 0 || step > (f.End-f.Entry)/instruction+1 || delta > 1<<32-1 {
			break
		}
		p = p[n+m:]
		value += int32(-(delta & 1) ^ delta>>1)
		pc += step * instruction
		values = append(values, Value{pc, value})
		if pc > f.End {
			break
		}
	}
	return nil, fmt.Errorf("function at %#x: table at %#x is not a table of values", f.Entry, off)
}

// PCSP returns, by pc, how many bytes below its value at entry the unwinder expects the
// stack pointer to be. It is empty for a function at which the unwinder stops.
func (f Func) PCSP() (Values, error) { return f.AppendPCSP(nil) }

// AppendPCSP appends the values of PCSP.
func (f Func) AppendPCSP(values Values) (Values, error) {
	return f.appendValues(values, f.field(f.t.pcsp))
}
