package pclntab

import (
	"encoding/binary"
	"fmt"
	"sort"
)

// Indices and values of tables, from internal/abi/symtab.go.
const (
	pcdataUnsafePoint   = 0
	pcdataInlTreeIndex  = 2
	funcdataLocals      = 1
	funcdataInlTree     = 3
	flagAssembly        = 1 << 2
	unsafePointUnsafe   = -2
	unsafePointRestart1 = -3
	unsafePointRestart2 = -4
	unsafePointAtEntry  = -5
)

const (
	instruction = 4       // bytes; the quantum of pc values
	maxValues   = 1 << 20 // in one table
)

// A Func is a function as the table describes it.
type Func struct {
	Entry, End uint64 // addresses: [Entry, End)

	t      *Table
	addr   uint64 // of record
	record []byte // the _func, to the end of the table
}

func (f Func) field(at int) uint32 { return binary.LittleEndian.Uint32(f.record[at:]) }
func (f Func) npcdata() uint32     { return f.field(f.t.pcsp + 12) }
func (f Func) nfuncdata() int      { return int(f.record[f.t.size-1]) }

func (f Func) nameoff() uint32 { return f.field(f.t.layout.entry) }

// Name returns the function's name, as the linker wrote it.
func (f Func) Name() string { return cstring(f.t.names, f.nameoff()) }

// DeferReturn returns the offset from the entry of where a function whose panic
// was recovered returns to, or 0.
func (f Func) DeferReturn() uint32 { return f.field(f.t.deferreturn) }

// Assembly reports whether the function was written in assembly.
func (f Func) Assembly() bool {
	_, locals := f.funcdata(funcdataLocals)
	return !locals || f.record[f.t.flag]&flagAssembly != 0
}

// pcdata returns the offset of pcdata table i, or 0.
func (f Func) pcdata(i uint32) uint32 {
	if i >= f.npcdata() {
		return 0
	}
	return f.field(f.t.size + 4*int(i))
}

// funcdataAt returns where in the record the funcdata begin, after the pcdata.
func (f Func) funcdataAt() int {
	at := f.t.size + 4*int(f.npcdata())
	if f.t.layout.funcdata == 8 { // aligned addresses
		at += int(f.addr+uint64(at)) & 4
	}
	return at
}

// funcdata returns the address of funcdata i, and whether there is one.
func (f Func) funcdata(i int) (addr uint64, ok bool) {
	if i >= f.nfuncdata() {
		return 0, false
	}
	at := f.funcdataAt()
	if f.t.layout.funcdata == 8 {
		addr = binary.LittleEndian.Uint64(f.record[at+8*i:])
		return addr, addr != 0
	}
	off := f.field(at + 4*i)
	return f.t.gofunc + uint64(off), off != ^uint32(0)
}

// inlined returns the name's offset and the parent's pc, an offset from the
// entry, of node i in the function's inline tree.
func (f Func) inlined(i int32) (name, pc uint32, ok bool) {
	tree, ok := f.funcdata(funcdataInlTree)
	if !ok || i < 0 {
		return 0, 0, false
	}
	node, err := f.t.file.Bytes(tree+uint64(i)*uint64(f.t.node), uint64(f.t.node))
	if err != nil {
		return 0, 0, false
	}
	return binary.LittleEndian.Uint32(node[f.t.nodeName:]), binary.LittleEndian.Uint32(node[f.t.nodePC:]), true
}

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

// A Cursor looks values up in a table. It is quick where pcs come in order.
type Cursor struct {
	values Values
	entry  uint64
	i      int
}

// Cursor returns a cursor for a function's table.
func (f Func) Cursor(v Values) Cursor { return Cursor{values: v, entry: f.Entry} }

// At is Values.At.
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
	return nil, fmt.Errorf("function at %#x: table at %#x is no table of values", f.Entry, off)
}

// PCSP returns how many bytes the stack pointer is below its value at entry,
// by pc, as the unwinder believes. It is empty for a function that the
// unwinder does not pass.
func (f Func) PCSP() (Values, error) { return f.AppendPCSP(nil) }

// AppendPCSP appends the values of PCSP.
func (f Func) AppendPCSP(values Values) (Values, error) {
	return f.appendValues(values, f.field(f.t.pcsp))
}

// Lines answers which source line a function's instructions are of.
type Lines struct {
	f           Func
	files, line Cursor
	n           int32 // of the file in name
	name        string
}

// Lines prepares the answers for one function.
func (f Func) Lines() Lines {
	files, _ := f.values(f.field(f.t.pcsp + 4))
	lines, _ := f.values(f.field(f.t.pcsp + 8))
	return Lines{f: f, files: f.Cursor(files), line: f.Cursor(lines), n: -1}
}

// Len returns how many values it holds.
func (l *Lines) Len() int { return len(l.files.values) + len(l.line.values) }

// At returns the source file and line of a pc, or "?" and 0.
func (l *Lines) At(pc uint64) (file string, line int) {
	n, _ := l.files.At(pc)
	at, _ := l.line.At(pc)
	if n < 0 || at < 0 {
		return "?", 0
	}
	if n != l.n {
		t := l.f.t
		unit := 4 * (uint64(l.f.field(t.pcsp+16)) + uint64(n))
		if unit+4 > uint64(len(t.cus)) {
			return "?", 0
		}
		l.n, l.name = n, cstring(t.files, binary.LittleEndian.Uint32(t.cus[unit:]))
		t.file.Budget.Work(len(l.name) / 8)
	}
	return l.name, int(at)
}

// SafePoints answers where the runtime may preempt a function.
type SafePoints struct {
	f              Func
	never          string // why the runtime preempts it nowhere
	unsafe, inline Cursor
}

// SafePoints prepares the answers for one function.
func (f Func) SafePoints() (SafePoints, error) {
	unsafe, err := f.values(f.pcdata(pcdataUnsafePoint))
	if err != nil {
		return SafePoints{}, err
	}
	inline, err := f.values(f.pcdata(pcdataInlTreeIndex))
	s := SafePoints{f: f, unsafe: f.Cursor(unsafe), inline: f.Cursor(inline)}
	if f.Assembly() {
		s.never = "assembly"
	}
	return s, err
}

// Len returns how many values it holds.
func (s *SafePoints) Len() int { return len(s.unsafe.values) + len(s.inline.values) }

// At says whether the runtime may preempt a goroutine at a pc, and at which pc
// the goroutine then resumes, which is also where the unwinder takes it to be;
// where it may not, pc itself and why.
//
// The rule is that of runtime/preempt.go, isAsyncSafePoint, as far as it
// depends on the code alone. The packages are those of all releases together.
func (s *SafePoints) At(pc uint64) (resume uint64, why string) {
	up, from := s.unsafe.At(pc)
	resume, why = s.f.Resumes(pc, up, from)
	if why != "" {
		return pc, why
	}
	if s.never != "" {
		return pc, s.never
	}
	name := s.f.nameoff()
	if i, _ := s.inline.At(pc); i >= 0 {
		if off, _, ok := s.f.inlined(i); ok {
			name = off
		}
	}
	for _, prefix := range []string{"runtime.", "runtime/internal/", "internal/runtime/", "reflect."} {
		if s.f.t.begins(name, prefix) {
			return pc, "code of " + prefix[:len(prefix)-1]
		}
	}
	return resume, ""
}

// Resume is the first result of At, for a pc at which the runtime may preempt.
func (s *SafePoints) Resume(pc uint64) uint64 {
	up, from := s.unsafe.At(pc)
	resume, _ := s.f.Resumes(pc, up, from)
	return resume
}

// AppendUnsafePoints appends the table of unsafe points. Resumes says what its
// values mean.
func (f Func) AppendUnsafePoints(values Values) (Values, error) {
	return f.appendValues(values, f.pcdata(pcdataUnsafePoint))
}

// Resumes says, for a pc at which the table of unsafe points has a value that
// holds from an address on, where a goroutine goes on that is preempted there,
// or why the table forbids that.
func (f Func) Resumes(pc uint64, value int32, from uint64) (resume uint64, why string) {
	switch {
	case value == unsafePointUnsafe:
		return pc, "unsafe point"
	case value < unsafePointUnsafe && !f.t.restarts:
		return pc, "restartable, in Go 1.16 and 1.17"
	case value == unsafePointRestart1 || value == unsafePointRestart2:
		return from, ""
	case value == unsafePointAtEntry:
		return f.Entry, ""
	}
	return pc, ""
}
