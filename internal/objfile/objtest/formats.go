package objtest

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
)

func (m *Image) u16(at int) int    { return int(binary.LittleEndian.Uint16(m.Data[at:])) }
func (m *Image) u32(at int) int    { return int(binary.LittleEndian.Uint32(m.Data[at:])) }
func (m *Image) u64(at int) uint64 { return binary.LittleEndian.Uint64(m.Data[at:]) }

// elf notes the fields of the header, the program headers, the dynamic section, a
// few relocations, and the notes of a core file.
func (m *Image) elf() {
	m.addFields(16, "elf", "type", 2, "machine", 2, "version", 4, "entry", 8, "phoff", 8, "shoff", 8, "flags", 4,
		"ehsize", 2, "phentsize", 2, "phnum", 2, "shentsize", 2, "shnum", 2, "shstrndx", 2)
	phoff, shoff, phnum := int(m.u64(32)), int(m.u64(40)), m.u16(56)
	if phnum == 0xffff { // PN_XNUM: the first section says how many
		phnum = m.u32(shoff + 44)
		m.addField(shoff+44, 4, "sh[0].info")
	}
	for i := range phnum {
		at := phoff + 56*i
		m.addFields(at, fmt.Sprintf("ph[%d]", i), "type", 4, "flags", 4, "off", 8, "vaddr", 8, "", 8, "filesz", 8, "memsz", 8)
		off, size := int(m.u64(at+8)), int(m.u64(at+32))
		switch elf.ProgType(m.u32(at)) {
		case elf.PT_DYNAMIC:
			m.dynamic(off, size)
		case elf.PT_NOTE:
			for k := 0; k < 4 && size >= 12 && off+12 <= len(m.Data); k++ {
				m.addFields(off, fmt.Sprintf("note[%d.%d]", i, k), "namesz", 4, "descsz", 4, "type", 4)
				next := 12 + (m.u32(off)+3)&^3 + (m.u32(off+4)+3)&^3
				off, size = off+next, size-next
			}
		}
	}
}

func (m *Image) dynamic(at, size int) {
	for i := 0; 16*i < size; i++ {
		m.addFields(at+16*i, fmt.Sprintf("dyn[%d]", i), "tag", 8, "value", 8)
		if elf.DynTag(m.u64(at+16*i)) != elf.DT_RELA {
			continue
		}
		m.addField(at+16*i+8, 8, "dyn.rela")
		table := m.offset(m.u64(at + 16*i + 8))
		for k := range 4 {
			m.addFields(table+24*k, fmt.Sprintf("rela[%d]", k), "offset", 8, "info", 8, "addend", 8)
		}
	}
	for i := 0; 16*i < size; i++ {
		if elf.DynTag(m.u64(at+16*i)) == elf.DT_RELASZ {
			m.addField(at+16*i+8, 8, "dyn.relasz")
		}
	}
}

// offset returns the offset in an ELF file of an address.
func (m *Image) offset(addr uint64) int {
	for i := range m.u16(56) {
		at := int(m.u64(32)) + 56*i
		if vaddr := m.u64(at + 16); elf.ProgType(m.u32(at)) == elf.PT_LOAD && addr >= vaddr && addr-vaddr < m.u64(at+32) {
			return int(m.u64(at+8) + addr - vaddr)
		}
	}
	return -1
}

// macho notes the fields of the header, the load commands and the chained fixups.
func (m *Image) macho() {
	m.addFields(0, "macho", "magic", 4, "cpu", 4, "", 4, "type", 4, "ncmds", 4, "sizeofcmds", 4)
	const segment, fixups = 0x19, 0x80000034
	at := 32
	for i := range m.u32(16) {
		name := fmt.Sprintf("cmd[%d]", i)
		m.addFields(at, name, "cmd", 4, "cmdsize", 4)
		switch m.u32(at) {
		case segment:
			m.addFields(at+24, name, "vmaddr", 8, "vmsize", 8, "fileoff", 8, "filesize", 8, "maxprot", 4, "initprot", 4, "nsects", 4)
		case fixups:
			m.addFields(at+8, "fixups", "at", 4, "bytes", 4)
			m.chains(m.u32(at + 8))
		default:
			m.addFields(at+8, name, "a", 4, "b", 4)
		}
		at += m.u32(at + 4)
	}
}

func (m *Image) chains(at int) {
	m.addFields(at, "fixups", "version", 4, "starts", 4, "imports", 4)
	starts := at + m.u32(at+4)
	m.addField(starts, 4, "fixups.segments")
	for i := range m.u32(starts) {
		m.addField(starts+4+4*i, 4, "fixups.info[%d]", i)
		info := m.u32(starts + 4 + 4*i)
		if info == 0 {
			continue
		}
		from := m.addFields(starts+info, fmt.Sprintf("fixups[%d]", i), "size", 4, "page", 2, "format", 2, "offset", 8, "max", 4, "pages", 2)
		for p := range min(m.u16(from-2), 8) {
			m.addField(from+2*p, 2, "fixups[%d].start[%d]", i, p)
		}
	}
}

// pe notes the fields of the headers and of the section table.
func (m *Image) pe() {
	m.addField(0x3c, 4, "pe.at")
	at := m.u32(0x3c) + 4
	m.addFields(at, "pe", "machine", 2, "sections", 2, "", 4, "symbols", 4, "nsymbols", 4, "optional", 2)
	m.addFields(at+20, "pe", "magic", 2)
	m.addField(at+20+24, 8, "pe.base")
	sections := at + 20 + m.u16(at+16)
	for i := range m.u16(at + 2) {
		m.addFields(sections+40*i+8, fmt.Sprintf("section[%d]", i), "vsize", 4, "vaddr", 4, "size", 4, "off", 4, "relocs", 4, "", 4, "nrelocs", 2, "", 2, "flags", 4)
	}
}
