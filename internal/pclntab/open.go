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
	// ErrNoTable is wrapped by the error for a file without a function table.
	ErrNoTable = errors.New("no Go function table")

	// ErrUnreadable is wrapped by the error for a file that Go's linker wrote but whose
	// function table cannot be read.
	ErrUnreadable = errors.New("a Go binary whose function table cannot be read")
)

// Open finds the function table of a file. It is the table to which the runtime's
// moduledata points. Open searches all segments, since sections may have no names. It does
// not require the magic number, which obfuscators change. Errors name the file, and wrap
// ErrNoTable or ErrUnreadable.
func Open(f *objfile.File) (*Table, error) {
	modules, reason, err := findModules(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	if len(modules) == 0 {
		return nil, fmt.Errorf("%s: %w", f.Path, noTableError(f, reason))
	}
	m := modules[0]
	if len(modules) > 1 {
		if modules = registeredModules(f, modules); len(modules) != 1 {
			return nil, fmt.Errorf("%s: %w: nothing shows which of several function tables the runtime uses", f.Path, ErrUnreadable)
		}
		m = modules[0]
	}
	if m.table.layout.entrySize == 4 {
		m.table.gofunc = m.table.findGofunc(m.moduledata)
	}
	return m.table, nil
}

// noTableError returns the error for a file in which findModules found no moduledata. It
// wraps ErrUnreadable if Go's linker wrote the file, as Go's build information or the
// header of a function table shows, and ErrNoTable if not.
func noTableError(f *objfile.File, reason error) error {
	hasBuildInfo := false
	for _, s := range f.Segments {
		f.Budget.Work(len(s.Data) / 4)
		if !s.Exec && objfile.HasBuildInfo(s.Data) {
			hasBuildInfo = true
		}
		for off := range offsets(s.Data, headerTail, 4) {
			magic := binary.LittleEndian.Uint32(s.Data[off-4:])
			switch addr := s.Addr + uint64(off-4); {
			case magic == magic102 && len(s.Data)-off > 16 && binary.LittleEndian.Uint64(s.Data[off+4:])-1 < uint64(len(s.Data)-off)/16:
				return fmt.Errorf("%w: the table at %#x was written by Go 1.15 or older: Go 1.16 or later is needed", ErrUnreadable, addr)
			case magic != magic116 && magic != magic118 && magic != magic120:
			case reason != nil:
				return fmt.Errorf("%w: %w", ErrUnreadable, reason)
			default:
				_, err := readHeader(f, addr)
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
	case hasBuildInfo:
		return fmt.Errorf("%w: no module data in any segment", ErrUnreadable)
	}
	return fmt.Errorf("%w: no header in any segment", ErrNoTable)
}

// headerTail is what follows the magic number in a header: two zeros, minLC and ptrSize
// (runtime/symtab.go, pcHeader). Obfuscators change the magic number, but not these.
var headerTail = []byte{0, 0, 4, 8}

// offsets yields the offsets in data at which pattern occurs and whose remainder modulo 8
// is remainder.
func offsets(data, pattern []byte, remainder int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for off := 0; off < len(data); {
			i := bytes.Index(data[off:], pattern)
			if i < 0 {
				return
			}
			if off += i; off%8 != remainder {
				off++
				continue
			}
			if !yield(off) {
				return
			}
			off += 8
		}
	}
}

// readHeader reads the header at an address, and finds the parts of the table.
func readHeader(f *objfile.File, addr uint64) (*Table, error) {
	s := f.SegmentAt(addr)
	if s == nil {
		return nil, fmt.Errorf("header at %#x: in no segment", addr)
	}
	data := s.Data[addr-s.Addr:]
	const firstWord = 8 // bytes of the magic number and headerTail
	if len(data) < firstWord || !bytes.Equal(data[firstWord-len(headerTail):firstWord], headerTail) {
		return nil, fmt.Errorf("header at %#x: not that of a table for arm64", addr)
	}
	t := &Table{file: f, headerAddr: addr}
	words := 8 // after the first word: nfunc, nfiles, textStart and five offsets
	t.layout = layout{funcSize: 44, entrySize: 4, funcdataSize: 4, deferreturnOff: 12, pcspOff: 16, flagOff: 41, inlinedCallSize: 16, inlinedNameOff: 4, inlinedParentPCOff: 8, preemptsRestartable: true}
	switch magic := binary.LittleEndian.Uint32(data); magic {
	case magic118:
		t.layout = layout{funcSize: 40, entrySize: 4, funcdataSize: 4, deferreturnOff: 12, pcspOff: 16, flagOff: 37, inlinedCallSize: 20, inlinedNameOff: 12, inlinedParentPCOff: 16, preemptsRestartable: true}
	case magic116:
		words = 7 // no textStart
		t.layout = layout{funcSize: 44, entrySize: 8, funcdataSize: 8, deferreturnOff: 16, pcspOff: 20, flagOff: 41, inlinedCallSize: 20, inlinedNameOff: 12, inlinedParentPCOff: 16}
	}
	if len(data) < firstWord+8*words {
		return nil, fmt.Errorf("header at %#x: cut off", addr)
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(data[firstWord+8*i:]) }
	end := uint64(len(data))
	for i, part := range []*[]byte{&t.pclntable, &t.pctab, &t.filetab, &t.cutab, &t.funcnametab} { // from the last part to the first
		start := word(words - 1 - i)
		if start > end {
			return nil, fmt.Errorf("header at %#x: part at %#x out of bounds [0,%#x)", addr, start, end)
		}
		*part, t.partAddrs[4-i], end = data[start:end], addr+start, start
	}
	n, entry := word(0), uint64(t.layout.entrySize)
	if size := uint64(len(t.pclntable)); n == 0 || size < entry || n > (size-entry)/(2*entry) {
		return nil, fmt.Errorf("header at %#x: %d functions do not fit in %#x bytes", addr, n, size)
	}
	t.nfunc = int(n)
	return t, nil
}

// checkSorted returns an error if functions are not in the order of their addresses, which
// FuncIndex relies on.
func (t *Table) checkSorted() error {
	t.file.Budget.Work(t.nfunc)
	last := t.entryAddr(0)
	for i := 1; i <= t.nfunc; i++ {
		next := t.entryAddr(i)
		if next < last {
			return fmt.Errorf("function table at %#x: entry %d at %#x follows %#x", t.headerAddr, i, next, last)
		}
		last = next
	}
	return nil
}
