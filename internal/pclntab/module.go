package pclntab

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"splitadd/internal/budget"
	"splitadd/internal/objfile"
)

// Offsets in runtime.moduledata.
const (
	moduleSlices = 8   // funcnametab, cutab, filetab, pctab, pclntable: 24 bytes each
	moduleFtab   = 128 // ftab, a slice
	moduleMinPC  = 160
	moduleMaxPC  = 168
	moduleText   = 176 // text, from Go 1.16 on
	moduleSize   = 352 // up to the last field used here
)

// moduleGofunc holds the offsets at which releases have had gofunc: Go 1.18,
// 1.20 (covctrs came before it) and 1.27 (typedesclen and two of itab).
var moduleGofunc = []int{304, 320, 344}

// A module is module data, and the table that it points to.
type module struct {
	addr  uint64
	data  []byte // from its beginning to its segment's end
	table *Table
}

// maxModules is how many module data a file may have. A linker writes one.
const maxModules = 16

// findModules returns the module data of a file, and the reason for passing over
// others, or nil. Module data begins with the address of the table's header. Slices of
// the table's parts follow. The linker gives each the same length and capacity
// (cmd/link/internal/ld/symtab.go, moduledata).
// More than maxModules are an error.
func findModules(f *objfile.File) (modules []module, reason, err error) {
	for i := range f.Segments {
		s := &f.Segments[i]
		if !s.Write {
			continue
		}
		f.Budget.Work(len(s.Data) / 8)
		for at := int(-s.Addr & 7); at+moduleSize <= len(s.Data); at += 8 {
			m := s.Data[at:]
			if binary.LittleEndian.Uint64(m[moduleSlices+8:]) != binary.LittleEndian.Uint64(m[moduleSlices+16:]) || !full(m) {
				continue
			}
			f.Budget.Work(64)
			addr := binary.LittleEndian.Uint64(m)
			t, err := open(f, addr)
			if err == nil {
				err = t.check(m)
			} else if binary.LittleEndian.Uint64(m[moduleSlices:])-addr > maxHeader {
				continue // not module data
			}
			if err != nil {
				reason = err
				continue
			}
			if modules = append(modules, module{s.Addr + uint64(at), m, t}); len(modules) > maxModules {
				return nil, nil, fmt.Errorf("more than %d module data: %w", maxModules, budget.ErrExceeded)
			}
		}
	}
	return modules, reason, nil
}

// maxHeader is the largest size of a table's header in bytes. The names follow it.
const maxHeader = 128

// full reports whether words may be module data: whether the slices have equal length
// and capacity, and the first word is an address before that of the first slice.
func full(m []byte) bool {
	word := func(at int) uint64 { return binary.LittleEndian.Uint64(m[at:]) }
	for at := moduleSlices; at < moduleFtab+24; at += 24 {
		if word(at) == 0 || word(at+8) == 0 || word(at+8) != word(at+16) {
			return false
		}
	}
	return word(0) != 0 && word(0) < word(moduleSlices)
}

// check returns an error if module data and its table disagree. It also copies to the
// table the values that only the module data has.
func (t *Table) check(m []byte) error {
	word := func(at int) uint64 { return binary.LittleEndian.Uint64(m[at:]) }
	for i, start := range t.starts {
		if got := word(moduleSlices + 24*i); got != start {
			return fmt.Errorf("header at %#x: part %d is at %#x, and at %#x for the module data", t.addr, i, start, got)
		}
	}
	if ftab, n := word(moduleFtab), word(moduleFtab+8); ftab != t.starts[4] || n != uint64(t.n)+1 {
		return fmt.Errorf("header at %#x: %d functions at %#x, and %d at %#x for the module data", t.addr, t.n, t.starts[4], n-1, ftab)
	}
	if t.layout.entry == 4 {
		t.text = word(moduleText)
	}
	if from, to := word(moduleMinPC), word(moduleMaxPC); from != t.entry(0) || to != t.entry(t.n) {
		return fmt.Errorf("header at %#x: code at [%#x,%#x), and at [%#x,%#x) for the module data", t.addr, t.entry(0), t.entry(t.n), from, to)
	}
	return t.sorted()
}

// registered returns the module data that the runtime uses. Their address is in a
// variable: lastmoduledatap holds that of firstmoduledata
// (cmd/link/internal/ld/symtab.go).
func registered(f *objfile.File, modules []module) (found []module) {
	for _, m := range modules {
		pointer := binary.LittleEndian.AppendUint64(nil, m.addr)
		for _, s := range f.Segments {
			if !s.Write {
				continue
			}
			f.Budget.Work(len(s.Data) / 8)
			next := false
			for range occurrences(s.Data, pointer, int(-s.Addr&7)) {
				found, next = append(found, m), true
				break
			}
			if next {
				break
			}
		}
	}
	return found
}

// findGofunc returns the value of gofunc: that field of the module data with which the
// first inline trees of the table make sense, or 0 if there are no inline trees. It
// does not go by the release, so that it also works for future releases.
func (t *Table) findGofunc(m []byte) uint64 {
	best, most := uint64(0), 0
	for _, offset := range moduleGofunc {
		t.gofunc = binary.LittleEndian.Uint64(m[offset:])
		good, looked, seen := 0, 0, 0
		for ; looked < t.n && seen < 256; looked++ {
			f, err := t.Func(looked)
			if err != nil {
				continue
			}
			if _, ok := f.funcdata(funcdataInlTree); !ok {
				continue
			}
			seen++
			if name, pc, ok := f.inlined(0); ok && uint64(pc) < f.End-f.Entry && t.isName(name) {
				good++
			}
		}
		t.file.Budget.Work(looked)
		if good > most {
			best, most = t.gofunc, good
		}
	}
	return best
}

// isName reports whether a string of the name table begins at an offset.
func (t *Table) isName(off uint32) bool {
	if uint64(off) >= uint64(len(t.names)) || t.names[off] == 0 || off > 0 && t.names[off-1] != 0 {
		return false
	}
	rest := t.names[off:]
	return bytes.IndexByte(rest[:min(len(rest), maxString)], 0) > 0
}
