package pclntab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"splitadd/internal/objfile"
)

// Errors of Open.
var (
	// ErrNone is wrapped for a file without a function table.
	ErrNone = errors.New("no Go function table")

	// ErrUnreadable is wrapped if Go has linked a file but its function table cannot
	// be read.
	ErrUnreadable = errors.New("a Go binary whose function table cannot be read")
)

// Open finds the function table of a file. It is the table that the runtime's module
// data points to. Open searches for it in all segments, since section names may be
// absent, and ignores its magic number, which obfuscators change.
func Open(f *objfile.File) (*Table, error) {
	modules, reason, err := findModules(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	if len(modules) == 0 {
		return nil, fmt.Errorf("%s: %w", f.Path, none(f, reason))
	}
	m := modules[0]
	if len(modules) > 1 {
		if modules = registered(f, modules); len(modules) != 1 {
			return nil, fmt.Errorf("%s: %w: nothing shows which of several the runtime uses", f.Path, ErrUnreadable)
		}
		m = modules[0]
	}
	if m.table.layout.entry == 4 {
		m.table.gofunc = m.table.findGofunc(m.data)
	}
	return m.table, nil
}

// none returns the error for a file in which no table was found. If Go has linked the
// file, it wraps ErrUnreadable: the table exists but cannot be read. Go's build
// information, or the header of a table, shows that Go has linked it.
func none(f *objfile.File, reason error) error {
	built := false
	for _, s := range f.Segments {
		f.Budget.Work(len(s.Data) / 4)
		if !s.Exec && objfile.HasBuildInfo(s.Data) {
			built = true
		}
		for at := range occurrences(s.Data, headerTail, 4) {
			magic := binary.LittleEndian.Uint32(s.Data[at-4:])
			switch addr := s.Addr + uint64(at-4); {
			case magic == magic102 && len(s.Data)-at > 16 && binary.LittleEndian.Uint64(s.Data[at+4:])-1 < uint64(len(s.Data)-at)/16:
				return fmt.Errorf("%w: the one at %#x is of Go 1.15 or older: Go 1.16 or later is needed", ErrUnreadable, addr)
			case magic != magic116 && magic != magic118 && magic != magic120:
			case reason != nil:
				return fmt.Errorf("%w: %w", ErrUnreadable, reason)
			default:
				_, err := open(f, addr)
				if err == nil {
					err = fmt.Errorf("header at %#x: no module data points to it", addr)
				}
				return fmt.Errorf("%w: %w", ErrUnreadable, err)
			}
		}
	}
	switch {
	case reason != nil:
		return fmt.Errorf("%w: %w", ErrUnreadable, reason)
	case built:
		return fmt.Errorf("%w: no module data in any segment", ErrUnreadable)
	}
	return fmt.Errorf("%w: no header in any segment", ErrNone)
}

// headerTail follows the magic in a header: two zeros, the instruction quantum and the
// pointer size. Obfuscators change the magic, but not this.
var headerTail = []byte{0, 0, 4, 8}

// occurrences yields the offsets at which bytes occur, if they have a remainder modulo 8.
func occurrences(data, word []byte, remainder int) func(yield func(int) bool) {
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

// open reads the header at an address.
func open(f *objfile.File, addr uint64) (*Table, error) {
	s := f.SegmentAt(addr)
	if s == nil {
		return nil, fmt.Errorf("header at %#x: in no segment", addr)
	}
	data := s.Data[addr-s.Addr:]
	const first = 8 // bytes of the magic and what follows it
	if len(data) < first || !bytes.Equal(data[first-len(headerTail):first], headerTail) {
		return nil, fmt.Errorf("header at %#x: not that of a table for arm64", addr)
	}
	t := &Table{file: f, addr: addr}
	words := 8 // after the first: nfunc, nfiles, textStart and five offsets
	t.layout = layout{size: 44, entry: 4, funcdata: 4, deferreturn: 12, pcsp: 16, flag: 41, node: 16, nodeName: 4, nodePC: 8, restarts: true}
	switch magic := binary.LittleEndian.Uint32(data); magic {
	case magic118:
		t.layout = layout{size: 40, entry: 4, funcdata: 4, deferreturn: 12, pcsp: 16, flag: 37, node: 20, nodeName: 12, nodePC: 16, restarts: true}
	case magic116:
		words = 7 // no textStart
		t.layout = layout{size: 44, entry: 8, funcdata: 8, deferreturn: 16, pcsp: 20, flag: 41, node: 20, nodeName: 12, nodePC: 16}
	}
	if len(data) < first+8*words {
		return nil, fmt.Errorf("header at %#x: cut off", addr)
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(data[first+8*i:]) }
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
	return t, nil
}

// sorted checks that functions are in order, so that look-ups may search.
func (t *Table) sorted() error {
	t.file.Budget.Work(t.n)
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
