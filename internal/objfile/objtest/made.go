package objtest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
)

// A FakeExecutable describes an executable that a test makes without a linker: an ELF file with
// one record that all of its functions share, and module data that points to the table.
type FakeExecutable struct {
	Code     []byte
	Function int    // bytes of a function
	Name     string // of each function
	PCSP     []byte // the encoded tables
	Lines    []byte
	Files    []byte
	File     string
	Modules  int    // how many module data there are; 0 means 1
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
	var b bytes.Buffer
	_ = m.Write(&b) // a buffer never fails
	return b.Bytes()
}

// Write writes the file.
func (m FakeExecutable) Write(w io.Writer) error {
	table, parts := m.table()
	var data []byte
	for range max(m.Modules, 1) {
		data = append(data, m.moduleData(parts)...)
	}
	data = binary.LittleEndian.AppendUint64(data, madeData) // runtime.lastmoduledatap
	data = append(pad(data, 16), m.Info...)
	return writeELF(w,
		Load{madeText, elf.PF_R | elf.PF_X, m.Code}, Load{madeTab, elf.PF_R, table}, Load{madeData, elf.PF_R | elf.PF_W, data})
}

func pad(data []byte, to int) []byte {
	for len(data)%to != 0 {
		data = append(data, 0)
	}
	return data
}

// table returns the function table, and the offsets in it of its names, units, files,
// values and functions, and of its end.
func (m FakeExecutable) table() (table []byte, parts [6]uint64) {
	word := binary.LittleEndian
	n := len(m.Code) / m.Function
	values := []byte{0}
	add := func(encoded []byte) uint32 {
		if encoded == nil {
			return 0
		}
		at := len(values)
		values = append(append(values, encoded...), 0)
		return uint32(at)
	}
	pcsp, lines, file := add(m.PCSP), add(m.Lines), add(m.Files)
	table = word.AppendUint32(nil, 0xfffffff1)
	table = append(table, 0, 0, 4, 8)
	const headerSize = 72
	var contents []byte
	for i, part := range [][]byte{append([]byte(m.Name), 0), make([]byte, 4), append([]byte(m.File), 0), values} {
		parts[i] = headerSize + uint64(len(contents))
		contents = append(contents, pad(part, 8)...)
	}
	parts[4] = headerSize + uint64(len(contents))
	for _, n := range append([]uint64{uint64(n), 1, madeText}, parts[:5]...) {
		table = word.AppendUint64(table, n)
	}
	table = append(table, contents...)
	functab := 8*n + 4
	for i := range n {
		table = word.AppendUint32(table, uint32(i*m.Function))
		table = word.AppendUint32(table, uint32(functab))
	}
	table = word.AppendUint32(table, uint32(n*m.Function))
	for _, field := range []uint32{0, 0, 0, 0, pcsp, file, lines, 0, 0, 0, 2 << 24} { // the last: two funcdata
		table = word.AppendUint32(table, field)
	}
	table = append(table, make([]byte, 8)...) // arguments and locals
	parts[5] = uint64(len(table))
	return table, parts
}

// moduleData returns the module data for a function table.
func (m FakeExecutable) moduleData(parts [6]uint64) []byte {
	word := binary.LittleEndian
	n := len(m.Code) / m.Function
	module := make([]byte, 352)
	word.PutUint64(module, madeTab)
	for i := range 5 {
		word.PutUint64(module[8+24*i:], madeTab+parts[i])
		word.PutUint64(module[16+24*i:], parts[i+1]-parts[i])
		word.PutUint64(module[24+24*i:], parts[i+1]-parts[i])
	}
	for i, n := range []uint64{madeTab + parts[4], uint64(n) + 1, uint64(n) + 1, 0, madeText, madeText + uint64(n*m.Function), madeText, madeText + uint64(len(m.Code))} {
		word.PutUint64(module[128+8*i:], n)
	}
	return module
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
	_ = writeELF(&b, loads...)
	return b.Bytes()
}

func writeELF(w io.Writer, loads ...Load) error {
	const header, program = 64, 56
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_AARCH64), Version: 1, Phoff: header, Phentsize: program, Phnum: uint16(len(loads))}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	if err := binary.Write(w, binary.LittleEndian, h); err != nil {
		return err
	}
	at := uint64(header + program*len(loads))
	for _, l := range loads {
		size := uint64(len(l.Data))
		err := binary.Write(w, binary.LittleEndian, elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(l.Flags), Off: at, Vaddr: l.Addr, Filesz: size, Memsz: size})
		if err != nil {
			return err
		}
		at += size
	}
	for _, l := range loads {
		if _, err := w.Write(l.Data); err != nil {
			return err
		}
	}
	return nil
}
