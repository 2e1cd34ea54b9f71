package objtest

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// repeat returns words over and over, up to a number of bytes.
func repeat(size int, words ...uint32) []byte {
	var one []byte
	for _, w := range words {
		one = binary.LittleEndian.AppendUint32(one, w)
	}
	return bytes.Repeat(one, size/len(one))
}

// risingTable returns an encoded table whose value goes up at every instruction of a
// function.
func risingTable(instructions int) []byte {
	return bytes.Repeat([]byte{2, 1}, instructions)
}

// Instructions.
const (
	addSP = 0x910043ff // ADD $16, RSP
	addR3 = 0x910043e3 // ADD $16, RSP, R3
	strFP = 0xf900007d // MOVD R29, (R3)
	movLR = 0xaa0103fe // MOVD R1, R30
	br    = 0xd61f0000 // JMP (R0)
	nop   = 0xd503201f
	cbz   = 0xb4000040 // CBZ R0, 2 instructions on
)

// constantTable is a pcsp table that claims 0 all through a function.
func constantTable(instructions int) []byte {
	return binary.AppendUvarint([]byte{2}, uint64(instructions))
}

// WithLoads returns an ELF file with n more segments before its own, all with the same
// data.
func WithLoads(t testing.TB, m *Image, data []byte, n int) []byte {
	phnum, at := int(m.Get(t, "elf.phnum")), int(m.Get(t, "elf.phoff"))
	old := bytes.Clone(m.Data[at:][:56*phnum])
	var headers []byte
	for i := range n {
		h := make([]byte, 56)
		binary.LittleEndian.PutUint32(h, 1)
		binary.LittleEndian.PutUint32(h[4:], 6)
		binary.LittleEndian.PutUint64(h[8:], uint64(len(m.Data)))
		binary.LittleEndian.PutUint64(h[16:], 0x7000_0000_0000+uint64(i)<<32)
		binary.LittleEndian.PutUint64(h[32:], uint64(len(data)))
		headers = append(headers, h...)
	}
	headers = append(headers, old...)
	m = m.Clone()
	m.Data = append(append(m.Data, data...), headers...)
	m.Set(t, "elf.phoff", uint64(len(m.Data)-len(headers)))
	m.Set(t, "elf.phnum", uint64(phnum+n))
	return m.Data
}

// FalseHeaders returns headers of function tables that nothing points to.
func FalseHeaders(size int) []byte {
	var one []byte
	one = binary.LittleEndian.AppendUint64(one, 0x08040000_fffffff1)
	for _, w := range []uint64{1, 1, 0, 72, 72, 72, 72, 72} {
		one = binary.LittleEndian.AppendUint64(one, w)
	}
	return bytes.Repeat(one, size/len(one))
}

// commands returns a Mach-O file for arm64 of load commands and data.
func commands(n int, command, data []byte) []byte {
	var b []byte
	for _, w := range []uint32{0xfeedfacf, 0x0100000c, 0, 2, uint32(n), uint32(n * len(command)), 0, 0} {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return append(append(b, bytes.Repeat(command, n)...), data...)
}

// words returns 32-bit words.
func words(list ...uint32) (b []byte) {
	for _, w := range list {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

// relocations returns a PE file whose sections each have the most relocations that
// a section can have.
func relocations(machine uint16) []byte {
	const sections = 60000
	b := make([]byte, 0x40)
	copy(b, "MZ")
	b[0x3c] = 0x40
	b = append(b, "PE\x00\x00"...)
	header := make([]byte, 20+240)
	binary.LittleEndian.PutUint16(header, machine)
	binary.LittleEndian.PutUint16(header[2:], sections)
	binary.LittleEndian.PutUint16(header[16:], 240)
	binary.LittleEndian.PutUint16(header[20:], 0x20b)
	binary.LittleEndian.PutUint32(header[20+108:], 16) // directories
	b = append(b, header...)
	section := make([]byte, 40)
	binary.LittleEndian.PutUint32(section[24:], 0x1000) // relocations
	binary.LittleEndian.PutUint16(section[32:], 65535)
	b = append(b, bytes.Repeat(section, sections)...)
	return append(b, make([]byte, largeFile-len(b))...)
}

// dependencies returns build information of many modules.
func dependencies() []byte {
	info := append([]byte("\xff Go buildinf:\x08\x02"), make([]byte, 16)...)
	text := "path\tx\nmod\tx\tv1\n" + strings.Repeat("dep\ta\tv1\n", largeFile/10)
	info = append(binary.AppendUvarint(info, 6), "go1.27"...)
	text = strings.Repeat("m", 16) + text + "build\tx=y\n" + strings.Repeat("m", 16)
	return append(binary.AppendUvarint(info, uint64(len(text))), text...)
}
