package pclntab

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"splitadd/internal/budget"
	"splitadd/internal/objfile"
)

// Offsets of fields in runtime.moduledata (runtime/symtab.go), in bytes.
const (
	moduleSlices = 8   // funcnametab, cutab, filetab, pctab, pclntable: 24 bytes each
	moduleFtab   = 128 // ftab, a slice
	moduleMinPC  = 160
	moduleMaxPC  = 168
	moduleText   = 176 // text, from Go 1.16 on
	moduleSize   = 352 // up to the last field used here
)

// moduleGofunc has the offsets of the field gofunc: in Go 1.18, from Go 1.20 on (covctrs
// precedes it), and from Go 1.27 on (typedesclen and two fields of itab precede it).
var moduleGofunc = []int{304, 320, 344}

// A module is a runtime.moduledata, with the function table that it points to.
type module struct {
	addr       uint64
	moduledata []byte // from its beginning to its segment's end
	table      *Table
}

// maxModules is how many moduledata a file may have. Go's linker writes one.
const maxModules = 16

// findModules returns the moduledata of a file. If one that looked like a moduledata was
// rejected, reason is why. A moduledata begins with the address of the table's header,
// and with slices of the table's parts. The linker gives each slice the same length and
// capacity (cmd/link/internal/ld/symtab.go, moduledata). It is an error if there are more
// than maxModules.
func findModules(f *objfile.File) (modules []module, reason, err error) {
	for i := range f.Segments {
		s := &f.Segments[i]
		if !s.Write {
			continue
		}
		f.Budget.Work(len(s.Data) / 8)
		for off := int(-s.Addr & 7); off+moduleSize <= len(s.Data); off += 8 {
			data := s.Data[off:]
			if binary.LittleEndian.Uint64(data[moduleSlices+8:]) != binary.LittleEndian.Uint64(data[moduleSlices+16:]) || !mayBeModuledata(data) {
				continue
			}
			f.Budget.Work(64)
			addr := binary.LittleEndian.Uint64(data)
			t, err := readHeader(f, addr)
			if err == nil {
				err = t.checkModuledata(data)
			} else if binary.LittleEndian.Uint64(data[moduleSlices:])-addr > maxHeader {
				continue // not a moduledata
			}
			if err != nil {
				reason = err
				continue
			}
			if modules = append(modules, module{s.Addr + uint64(off), data, t}); len(modules) > maxModules {
				return nil, nil, fmt.Errorf("more than %d module data: %w", maxModules, budget.ErrExceeded)
			}
		}
	}
	return modules, reason, nil
}

// maxHeader is the largest size of a table's header in bytes. The names follow it.
const maxHeader = 128

// mayBeModuledata reports whether m may begin with a moduledata: each slice has the same
// length and capacity, and the first word is an address before that of the first slice.
func mayBeModuledata(m []byte) bool {
	word := func(off int) uint64 { return binary.LittleEndian.Uint64(m[off:]) }
	for off := moduleSlices; off < moduleFtab+24; off += 24 {
		if word(off) == 0 || word(off+8) == 0 || word(off+8) != word(off+16) {
			return false
		}
	}
	return word(0) != 0 && word(0) < word(moduleSlices)
}

// checkModuledata returns an error if moduledata m and its table disagree, or if the table
// is not sorted. It also sets t.text, which only the moduledata has.
func (t *Table) checkModuledata(m []byte) error {
	word := func(off int) uint64 { return binary.LittleEndian.Uint64(m[off:]) }
	for i, start := range t.partAddrs {
		if got := word(moduleSlices + 24*i); got != start {
			return fmt.Errorf("header at %#x: part %d is at %#x, but at %#x according to the module data", t.headerAddr, i, start, got)
		}
	}
	if ftab, n := word(moduleFtab), word(moduleFtab+8); ftab != t.partAddrs[4] || n != uint64(t.nfunc)+1 {
		return fmt.Errorf("header at %#x: %d functions at %#x, but %d at %#x according to the module data", t.headerAddr, t.nfunc, t.partAddrs[4], n-1, ftab)
	}
	if t.layout.entrySize == 4 {
		t.text = word(moduleText)
	}
	if from, to := word(moduleMinPC), word(moduleMaxPC); from != t.entryAddr(0) || to != t.entryAddr(t.nfunc) {
		return fmt.Errorf("header at %#x: code at [%#x,%#x), but at [%#x,%#x) according to the module data", t.headerAddr, t.entryAddr(0), t.entryAddr(t.nfunc), from, to)
	}
	return t.checkSorted()
}

// registeredModules returns the modules whose address is in a word of a writable segment.
// The runtime uses the one whose address is in runtime.lastmoduledatap
// (cmd/link/internal/ld/symtab.go).
func registeredModules(f *objfile.File, modules []module) (found []module) {
	for _, m := range modules {
		pointer := binary.LittleEndian.AppendUint64(nil, m.addr)
		for _, s := range f.Segments {
			if !s.Write {
				continue
			}
			f.Budget.Work(len(s.Data) / 8)
			isRegistered := false
			for range offsets(s.Data, pointer, int(-s.Addr&7)) {
				found, isRegistered = append(found, m), true
				break
			}
			if isRegistered {
				break
			}
		}
	}
	return found
}

// findGofunc returns the value of gofunc in moduledata m, or 0 if the table has no inline
// trees. Of the fields at the offsets in moduleGofunc, it takes the one with which most of
// the first 256 inline trees are valid. It does not depend on the release, so that it also
// works for releases that are not known yet.
func (t *Table) findGofunc(m []byte) uint64 {
	bestGofunc, mostValid := uint64(0), 0
	for _, offset := range moduleGofunc {
		t.gofunc = binary.LittleEndian.Uint64(m[offset:])
		valid, i, trees := 0, 0, 0
		for ; i < t.nfunc && trees < 256; i++ {
			f, err := t.Func(i)
			if err != nil {
				continue
			}
			if _, ok := f.funcdata(funcdataInlTree); !ok {
				continue
			}
			trees++
			if name, pc, ok := f.inlinedCall(0); ok && uint64(pc) < f.End-f.Entry && t.isName(name) {
				valid++
			}
		}
		t.file.Budget.Work(i)
		if valid > mostValid {
			bestGofunc, mostValid = t.gofunc, valid
		}
	}
	return bestGofunc
}

// isName reports whether a name begins at an offset in funcnametab.
func (t *Table) isName(off uint32) bool {
	if uint64(off) >= uint64(len(t.funcnametab)) || t.funcnametab[off] == 0 || off > 0 && t.funcnametab[off-1] != 0 {
		return false
	}
	rest := t.funcnametab[off:]
	return bytes.IndexByte(rest[:min(len(rest), maxNameLen)], 0) > 0
}
