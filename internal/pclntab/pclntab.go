// Package pclntab reads Go's function table. The table lists the functions of a
// binary with their names, source lines, and the tables by which the runtime unwinds
// them.
//
// The layouts are those of runtime/symtab.go and runtime/runtime2.go, from Go
// 1.16 onward. Tables may be hostile, so everything read is checked against the
// bounds of the file.
package pclntab

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sort"

	"splitadd/internal/objfile"
)

// Magics of the header, the first word of the table.
const (
	magic102 = 0xfffffffb // Go 1.2 to 1.15
	magic116 = 0xfffffffa // Go 1.16 and 1.17
	magic118 = 0xfffffff0 // Go 1.18 and 1.19
	magic120 = 0xfffffff1 // Go 1.20 and later
)

// A Table is the function table of one file.
type Table struct {
	file   *objfile.File
	addr   uint64 // of the header
	text   uint64 // what entry offsets are relative to; 0 before Go 1.18
	gofunc uint64 // what funcdata offsets are relative to; 0 before Go 1.18
	n      int    // functions

	names, cus, files, pcs, funcs []byte
	starts                        [5]uint64 // their addresses
	layout
}

// A layout holds the sizes and offsets that differ between releases, in bytes: the size
// of a _func up to its pcdata, of an entry in the function table and of a funcdata
// entry, the offsets of fields in a _func, and the size and fields of an inlinedCall.
// The places of other fields follow from these: nameoff comes after the entry; pcsp,
// pcfile, pcln, npcdata and cuOffset are neighbours; nfuncdata is the last byte.
type layout struct {
	size, entry, funcdata   int
	deferreturn, pcsp, flag int
	node, nodeName, nodePC  int

	// restarts is true if the runtime preempts within restartable sequences, as it
	// does from Go 1.18 on.
	restarts bool
}

// entry returns the address of function i. For i = n it is the end of the last
// function.
func (t *Table) entry(i int) uint64 {
	return t.text + t.functab(2*i)
}

// functab returns word i of the table of entries and record offsets.
func (t *Table) functab(i int) uint64 {
	if t.layout.entry == 8 {
		return binary.LittleEndian.Uint64(t.funcs[8*i:])
	}
	return uint64(binary.LittleEndian.Uint32(t.funcs[4*i:]))
}

// Len returns the number of functions.
func (t *Table) Len() int { return t.n }

// Func returns function i, in the order of their addresses.
func (t *Table) Func(i int) (Func, error) {
	f := Func{Entry: t.entry(i), End: t.entry(i + 1), t: t}
	off, size := t.functab(2*i+1), uint64(len(t.funcs))
	if off > size || size-off < uint64(t.size) {
		return f, fmt.Errorf("function at %#x: record at %#x out of bounds [0,%#x)", f.Entry, off, size)
	}
	f.record, f.addr = t.funcs[off:], t.starts[4]+off
	tables := uint64(f.funcdataAt()-t.size) + uint64(f.nfuncdata()*t.funcdata)
	if size-off-uint64(t.size) < tables {
		return f, fmt.Errorf("function at %#x: %d pcdata tables out of bounds", f.Entry, f.npcdata())
	}
	return f, nil
}

// Search returns the number of the function that holds an address.
func (t *Table) Search(pc uint64) (i int, ok bool) {
	i = sort.Search(t.n, func(i int) bool { return t.entry(i) > pc }) - 1
	return i, i >= 0 && pc < t.entry(i+1)
}

// Find returns the function that holds an address.
func (t *Table) Find(pc uint64) (Func, bool) {
	i, ok := t.Search(pc)
	if !ok {
		return Func{}, false
	}
	f, err := t.Func(i)
	return f, err == nil
}

// Named returns the first function with a name, as the linker wrote it.
func (t *Table) Named(name string) (Func, bool) {
	t.file.Budget.Work(t.n)
	for i := range t.n {
		if f, err := t.Func(i); err == nil && t.begins(f.nameoff(), name+"\x00") {
			return f, true
		}
	}
	return Func{}, false
}

// HasName reports whether the table holds a name, of a function or of one that
// was inlined.
func (t *Table) HasName(name string) bool {
	return bytes.Contains(t.names, append([]byte(name), 0))
}

// begins reports whether a prefix is in the name table at an offset.
func (t *Table) begins(off uint32, prefix string) bool {
	return uint64(off) < uint64(len(t.names)) && bytes.HasPrefix(t.names[off:], []byte(prefix))
}

// cstring returns the string at an offset in a part of the table, or "?".
func cstring(data []byte, off uint32) string {
	if uint64(off) >= uint64(len(data)) {
		return "?"
	}
	s := data[off:]
	if len(s) > maxString {
		s = s[:maxString]
	}
	if i := bytes.IndexByte(s, 0); i >= 0 {
		return string(s[:i])
	}
	return "?"
}

const maxString = 64 << 10 // bytes in a name; names of generic functions may be long
