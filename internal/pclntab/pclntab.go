// Package pclntab reads Go's function table. The table lists the functions of a binary,
// with their names, their source lines, and the tables with which the runtime unwinds
// them.
//
// The layouts are those of runtime/symtab.go and runtime/runtime2.go, from Go 1.16 on.
// Names of parts and fields are those of the runtime. Tables may be hostile, so every
// offset is checked against the bounds of the file.
package pclntab

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sort"

	"splitadd/internal/objfile"
)

// Magic numbers: the first four bytes of the header, by release.
const (
	magic102 = 0xfffffffb // Go 1.2 to 1.15
	magic116 = 0xfffffffa // Go 1.16 and 1.17
	magic118 = 0xfffffff0 // Go 1.18 and 1.19
	magic120 = 0xfffffff1 // Go 1.20 and later
)

// A Table is the function table of one file.
type Table struct {
	file       *objfile.File
	headerAddr uint64
	text       uint64 // address to which entry offsets are relative; 0 before Go 1.18
	gofunc     uint64 // address to which funcdata offsets are relative; 0 before Go 1.18
	nfunc      int

	funcnametab, cutab, filetab, pctab, pclntable []byte
	partAddrs                                     [5]uint64 // addresses of the five parts
	layout
}

// A layout holds the sizes and offsets that differ between releases, in bytes. The offsets
// of the other fields of a _func follow from these. Nameoff is after the entry. Pcsp,
// pcfile, pcln, npcdata and cuOffset are consecutive. Nfuncdata is the last byte.
type layout struct {
	funcSize, entrySize, funcdataSize                   int // of a _func up to its pcdata; of an entry in ftab; of a funcdata entry
	deferreturnOff, pcspOff, flagOff                    int // in a _func
	inlinedCallSize, inlinedNameOff, inlinedParentPCOff int // of an inlinedCall

	// preemptsRestartable is true if the runtime preempts within restartable sequences, as
	// it does from Go 1.18 on.
	preemptsRestartable bool
}

// entryAddr returns the address of function i. For i = t.nfunc it is the end of the last
// function.
func (t *Table) entryAddr(i int) uint64 {
	return t.text + t.functab(2*i)
}

// functab returns word i of ftab, which has the entry and the offset of the record of each
// function.
func (t *Table) functab(i int) uint64 {
	if t.layout.entrySize == 8 {
		return binary.LittleEndian.Uint64(t.pclntable[8*i:])
	}
	return uint64(binary.LittleEndian.Uint32(t.pclntable[4*i:]))
}

// Len returns the number of functions.
func (t *Table) Len() int { return t.nfunc }

// Func returns function i, for 0 <= i < t.Len(), in the order of addresses. It is an error
// if the record of the function is out of bounds.
func (t *Table) Func(i int) (Func, error) {
	f := Func{Entry: t.entryAddr(i), End: t.entryAddr(i + 1), t: t}
	off, size := t.functab(2*i+1), uint64(len(t.pclntable))
	if off > size || size-off < uint64(t.funcSize) {
		return f, fmt.Errorf("function at %#x: record at %#x out of bounds [0,%#x)", f.Entry, off, size)
	}
	f.record, f.recordAddr = t.pclntable[off:], t.partAddrs[4]+off
	tablesSize := uint64(f.funcdataOff()-t.funcSize) + uint64(f.nfuncdata()*t.funcdataSize)
	if size-off-uint64(t.funcSize) < tablesSize {
		return f, fmt.Errorf("function at %#x: %d pcdata tables out of bounds", f.Entry, f.npcdata())
	}
	return f, nil
}

// FuncIndex returns the index of the function that contains pc.
func (t *Table) FuncIndex(pc uint64) (i int, ok bool) {
	i = sort.Search(t.nfunc, func(i int) bool { return t.entryAddr(i) > pc }) - 1
	return i, i >= 0 && pc < t.entryAddr(i+1)
}

// PCToFunc returns the function that contains pc.
func (t *Table) PCToFunc(pc uint64) (Func, bool) {
	i, ok := t.FuncIndex(pc)
	if !ok {
		return Func{}, false
	}
	f, err := t.Func(i)
	return f, err == nil
}

// LookupFunc returns the first function with a name, as the linker wrote it. It takes time
// proportional to the number of functions.
func (t *Table) LookupFunc(name string) (Func, bool) {
	t.file.Budget.Work(t.nfunc)
	for i := range t.nfunc {
		if f, err := t.Func(i); err == nil && t.nameHasPrefix(f.nameoff(), name+"\x00") {
			return f, true
		}
	}
	return Func{}, false
}

// HasName reports whether the table has the name of a function, or of a function that was
// inlined.
func (t *Table) HasName(name string) bool {
	return bytes.Contains(t.funcnametab, append([]byte(name), 0))
}

// nameHasPrefix reports whether the name at an offset in funcnametab has a prefix.
func (t *Table) nameHasPrefix(off uint32, prefix string) bool {
	return uint64(off) < uint64(len(t.funcnametab)) && bytes.HasPrefix(t.funcnametab[off:], []byte(prefix))
}

// cstring returns the string at an offset in a part of the table, without its final zero. If
// there is none, or it is longer than maxNameLen, it returns "?".
func cstring(data []byte, off uint32) string {
	if uint64(off) >= uint64(len(data)) {
		return "?"
	}
	s := data[off:]
	if len(s) > maxNameLen {
		s = s[:maxNameLen]
	}
	if i := bytes.IndexByte(s, 0); i >= 0 {
		return string(s[:i])
	}
	return "?"
}

const maxNameLen = 64 << 10 // bytes; names of generic functions may be long
