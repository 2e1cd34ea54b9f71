package objtest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// A FakeExecutable describes an executable that a test makes without a linker: an ELF file with
// one record that all of its functions share, and module data that points to the table.
type FakeExecutable struct {
	Code     []byte
	Function int    // bytes of a function
	Name     string // of each
	PCSP     []byte // the encoded tables
	Lines    []byte
	Files    []byte
	File     string
	Modules  int    // module data in all; 0 is 1
	Info     []byte // build information
}

// Addresses in the made file.
const (
	madeText = 0x10000
	madeTab  = 0x10_0000_0000
	madeData = 0x20_0000_0000
)

// Bytes returns the file.
func (m FakeExecutable) Bytes() []byte {
	word := binary.LittleEndian
	n := len(m.Code) / m.Function
	// The table: header, names, units, files, values, and functions.
	const headerSize = 72
	tab := word.AppendUint32(nil, 0xfffffff1)
	tab = append(tab, 0, 0, 4, 8)
	names := append([]byte(m.Name), 0)
	cus := make([]byte, 4)
	files := append([]byte(m.File), 0)
	values := []byte{0}
	add := func(table []byte) uint32 {
		if table == nil {
			return 0
		}
		at := len(values)
		values = append(append(values, table...), 0)
		return uint32(at)
	}
	pcsp, lines, file := add(m.PCSP), add(m.Lines), add(m.Files)
	at := uint64(headerSize)
	starts := []uint64{}
	for _, part := range []*[]byte{&names, &cus, &files, &values} {
		for len(*part)%8 != 0 {
			*part = append(*part, 0)
		}
		starts = append(starts, at)
		at += uint64(len(*part))
	}
	starts = append(starts, at)
	for _, n := range append([]uint64{uint64(n), 1, madeText}, starts...) {
		tab = word.AppendUint64(tab, n)
	}
	for _, part := range [][]byte{names, cus, files, values} {
		tab = append(tab, part...)
	}
	functab := 8*n + 4
	for i := range n {
		tab = word.AppendUint32(tab, uint32(i*m.Function))
		tab = word.AppendUint32(tab, uint32(functab))
	}
	tab = word.AppendUint32(tab, uint32(n*m.Function))
	for _, field := range []uint32{0, 0, 0, 0, pcsp, file, lines, 0, 0, 0, 2 << 24} { // the last: two funcdata
		tab = word.AppendUint32(tab, field)
	}
	tab = append(tab, make([]byte, 8)...) // arguments and locals

	var data []byte
	for range max(m.Modules, 1) {
		module := make([]byte, 352)
		word.PutUint64(module, madeTab)
		parts := append(starts, uint64(len(tab)))
		for i := range 5 {
			word.PutUint64(module[8+24*i:], madeTab+parts[i])
			word.PutUint64(module[16+24*i:], parts[i+1]-parts[i])
			word.PutUint64(module[24+24*i:], parts[i+1]-parts[i])
		}
		for i, n := range []uint64{madeTab + starts[4], uint64(n) + 1, uint64(n) + 1, 0, madeText, madeText + uint64(n*m.Function), madeText, madeText + uint64(len(m.Code))} {
			word.PutUint64(module[128+8*i:], n)
		}
		data = append(data, module...)
	}
	data = word.AppendUint64(data, madeData) // runtime.lastmoduledatap
	for len(data)%16 != 0 {
		data = append(data, 0)
	}
	data = append(data, m.Info...)
	return MakeELF(
		Load{madeText, elf.PF_R | elf.PF_X, m.Code}, Load{madeTab, elf.PF_R, tab}, Load{madeData, elf.PF_R | elf.PF_W, data})
}

// A Load is a segment for MakeELF.
type Load struct {
	Addr  uint64
	Flags elf.ProgFlag
	Data  []byte
}

// MakeELF returns an executable of segments.
func MakeELF(loads ...Load) []byte {
	var b bytes.Buffer
	const header, program = 64, 56
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_AARCH64), Version: 1, Phoff: header, Phentsize: program, Phnum: uint16(len(loads))}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	_ = binary.Write(&b, binary.LittleEndian, h)
	at := uint64(header + program*len(loads))
	for _, l := range loads {
		size := uint64(len(l.Data))
		_ = binary.Write(&b, binary.LittleEndian, elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(l.Flags), Off: at, Vaddr: l.Addr, Filesz: size, Memsz: size})
		at += size
	}
	for _, l := range loads {
		b.Write(l.Data)
	}
	return b.Bytes()
}
