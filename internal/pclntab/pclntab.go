// Package pclntab reads Go's function table: the functions of a binary with
// their names, source lines, and the tables by which the runtime unwinds them.
//
// The layouts are those of runtime/symtab.go and runtime/runtime2.go, from Go
// 1.16 onward. Everything read is checked against the bounds of the file: a
// table may be hostile.
package pclntab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"sort"

	"splitadd/internal/objfile"
)

// ErrNone is wrapped by the error of Open for a file without a function table.
var ErrNone = errors.New("no Go function table")

// Magics of the header, the first word of the table.
const (
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

// layout holds what differs between releases, in bytes: the size of a _func up
// to its pcdata, of an entry in the function table and of a funcdata entry,
// the offsets of fields in a _func, and the size and fields of an inlinedCall.
// Other fields are found from these: nameoff follows the entry; pcsp, pcfile,
// pcln, npcdata and cuOffset are neighbours; nfuncdata is the last byte.
type layout struct {
	size, entry, funcdata   int
	deferreturn, pcsp, flag int
	node, nodeName, nodePC  int

	// restarts is true where the runtime preempts within restartable sequences, as
	// it does from Go 1.18 on.
	restarts bool
}

// Open finds the function table of a file, without the help of section names.
func Open(f *objfile.File) (*Table, error) {
	reason := errors.New("no header in any segment")
	for _, anyMagic := range []bool{false, true} {
		for _, exec := range []bool{false, true} { // the linker puts it apart from code
			for _, s := range f.Segments {
				if s.Exec != exec {
					continue
				}
				for at := range occurrences(s.Data, headerTail, 4) {
					at -= 4
					magic := binary.LittleEndian.Uint32(s.Data[at:])
					if known := magic == magic120 || magic == magic118 || magic == magic116; known == anyMagic {
						continue
					}
					t, err := open(f, magic, s.Addr+uint64(at), s.Data[at:])
					if err == nil {
						return t, nil
					}
					if !anyMagic {
						reason = err
					}
				}
			}
		}
	}
	return nil, fmt.Errorf("%s: %w: %w", f.Path, ErrNone, reason)
}

// headerTail is what follows the magic in a header: two zeros, the instruction
// quantum and the pointer size. Obfuscators change the magic, and not this.
var headerTail = []byte{0, 0, 4, 8}

// occurrences yields the offsets, of a remainder modulo 8, at which bytes occur.
func occurrences(data, word []byte, remainder int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for at := 0; at < len(data); {
			i := bytes.Index(data[at:], word)
			if i < 0 {
				return
			}
			if at += i; at%8 != remainder {
				at++
				continue
			}
			if !yield(at) {
				return
			}
			at += 8
		}
	}
}

// open reads the header at an address, and the module data that points to it.
func open(f *objfile.File, magic uint32, addr uint64, data []byte) (*Table, error) {
	t := &Table{file: f, addr: addr}
	words := 8 // after the first: nfunc, nfiles, textStart and five offsets
	t.layout = layout{size: 44, entry: 4, funcdata: 4, deferreturn: 12, pcsp: 16, flag: 41, node: 16, nodeName: 4, nodePC: 8, restarts: true}
	switch magic {
	case magic118:
		t.layout = layout{size: 40, entry: 4, funcdata: 4, deferreturn: 12, pcsp: 16, flag: 37, node: 20, nodeName: 12, nodePC: 16, restarts: true}
	case magic116:
		words = 7 // no textStart
		t.layout = layout{size: 44, entry: 8, funcdata: 8, deferreturn: 16, pcsp: 20, flag: 41, node: 20, nodeName: 12, nodePC: 16}
	}
	if len(data) < 8+8*words {
		return nil, fmt.Errorf("header at %#x: cut off", addr)
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(data[8+8*i:]) }
	end := uint64(len(data))
	for i, part := range []*[]byte{&t.funcs, &t.pcs, &t.files, &t.cus, &t.names} { // the last part first
		start := word(words - 1 - i)
		if start > end {
			return nil, fmt.Errorf("header at %#x: part at %#x out of bounds [0,%#x)", addr, start, end)
		}
		*part, t.starts[4-i], end = data[start:end], addr+start, start
	}
	n, entry := word(0), uint64(t.layout.entry)
	if size := uint64(len(t.funcs)); n == 0 || size < entry || n > (size-entry)/(2*entry) {
		return nil, fmt.Errorf("header at %#x: %d functions do not fit in %#x bytes", addr, n, size)
	}
	t.n = int(n)
	if err := t.module(); err != nil {
		return nil, err
	}
	return t, t.sorted()
}

// sorted checks that functions are in order, so that look-ups may search.
func (t *Table) sorted() error {
	last := t.entry(0)
	for i := 1; i <= t.n; i++ {
		next := t.entry(i)
		if next < last {
			return fmt.Errorf("function table at %#x: entry %d at %#x follows %#x", t.addr, i, next, last)
		}
		last = next
	}
	return nil
}

// entry returns the address of function i; that of function n is the end of
// the last.
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

// Named returns the first function of a name, as the linker wrote it.
func (t *Table) Named(name string) (Func, bool) {
	for i := range t.n {
		if f, err := t.Func(i); err == nil && f.Name() == name {
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

const maxString = 64 << 10 // bytes in a name; generic names grow long
