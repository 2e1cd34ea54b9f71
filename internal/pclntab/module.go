package pclntab

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Offsets in runtime.moduledata.
const (
	moduleSlices = 8   // funcnametab, cutab, filetab, pctab, pclntable: 24 bytes each
	moduleText   = 176 // text, from Go 1.16 on
	moduleSize   = 352 // up to the last field used here
)

// moduleGofunc holds the offsets at which releases have had gofunc: Go 1.18,
// 1.20 (covctrs came before it) and 1.27 (typedesclen and two of itab).
var moduleGofunc = []int{304, 320, 344}

// module finds the module data, which begins with the address of the table's
// header, and takes from it what the table does not say itself.
func (t *Table) module() error {
	header := binary.LittleEndian.AppendUint64(nil, t.addr)
	for _, s := range t.file.Segments {
		if !s.Write {
			continue
		}
		for at := range occurrences(s.Data, header, 0) {
			m := s.Data[at:]
			if len(m) < moduleSize || !t.pointedTo(m) {
				continue
			}
			if t.layout.entry == 4 {
				t.text = binary.LittleEndian.Uint64(m[moduleText:])
				t.gofunc = t.findGofunc(m)
			}
			return nil
		}
	}
	return fmt.Errorf("header at %#x: no module data points to it", t.addr)
}

// pointedTo reports whether module data has the table's parts where they are.
func (t *Table) pointedTo(m []byte) bool {
	for i, start := range t.starts {
		if binary.LittleEndian.Uint64(m[moduleSlices+24*i:]) != start {
			return false
		}
	}
	return true
}

// findGofunc returns the one of the module data's fields below which the first
// inline trees of the table make sense, or 0 where there is none to tell by.
// Asking the contents instead of the release also serves releases to come.
func (t *Table) findGofunc(m []byte) uint64 {
	best, most := uint64(0), 0
	for _, offset := range moduleGofunc {
		t.gofunc = binary.LittleEndian.Uint64(m[offset:])
		good := 0
		for i, seen := 0, 0; i < t.n && seen < 256; i++ {
			f, err := t.Func(i)
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
		if good > most {
			best, most = t.gofunc, good
		}
	}
	return best
}

// isName reports whether a string of the name table begins at an offset.
func (t *Table) isName(off uint32) bool {
	return uint64(off) < uint64(len(t.names)) && t.names[off] != 0 &&
		(off == 0 || t.names[off-1] == 0) && bytes.IndexByte(t.names[off:], 0) > 0
}
