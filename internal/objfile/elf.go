package objfile

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
)

// parseELF reads the program headers. Section headers, which need not be there,
// are not asked.
func (f *File) parseELF(data []byte) error {
	var header elf.Header64
	n, err := binary.Decode(data, binary.LittleEndian, &header)
	if err != nil {
		return fmt.Errorf("%w: ELF header cut off at %#x", ErrFormat, len(data))
	}
	if class := elf.Class(header.Ident[elf.EI_CLASS]); class != elf.ELFCLASS64 {
		return fmt.Errorf("%w: ELF of %v", ErrFormat, class)
	}
	if machine := elf.Machine(header.Machine); machine != elf.EM_AARCH64 || elf.Data(header.Ident[elf.EI_DATA]) != elf.ELFDATA2LSB {
		return fmt.Errorf("%w: ELF for %v", ErrFormat, machine)
	}
	var dynamic elf.Prog64
	for i := range uint64(header.Phnum) {
		at := header.Phoff + i*uint64(header.Phentsize)
		var p elf.Prog64
		if at < uint64(n) || at > uint64(len(data)) {
			return fmt.Errorf("program header %d at %#x out of file bounds [%#x,%#x)", i, at, n, len(data))
		}
		if _, err := binary.Decode(data[at:], binary.LittleEndian, &p); err != nil {
			return fmt.Errorf("program header %d at %#x: cut off", i, at)
		}
		switch flags := elf.ProgFlag(p.Flags); {
		case elf.ProgType(p.Type) == elf.PT_DYNAMIC:
			dynamic = p
		case elf.ProgType(p.Type) == elf.PT_LOAD && p.Filesz > 0:
			s := Segment{Addr: p.Vaddr, Exec: flags&elf.PF_X != 0, Write: flags&elf.PF_W != 0}
			if err := f.add(data, s, p.Off, p.Filesz); err != nil {
				return err
			}
		}
	}
	if dynamic.Filesz == 0 {
		return nil
	}
	return f.relocateELF(dynamic.Vaddr, dynamic.Filesz)
}

// relocateELF writes the addends of relative relocations to their places, as
// the loader does where it moves nothing. Position-independent executables and
// shared objects hold zeros there. Packed relocations (DT_RELR) have their
// addends in place.
func (f *File) relocateELF(addr, size uint64) error {
	dynamic, err := f.Bytes(addr, size&^15)
	if err != nil {
		return fmt.Errorf("dynamic section: %w", err)
	}
	tags := map[elf.DynTag]uint64{}
	for ; len(dynamic) > 0; dynamic = dynamic[16:] {
		tag := elf.DynTag(binary.LittleEndian.Uint64(dynamic))
		if tag == elf.DT_NULL {
			break
		}
		tags[tag] = binary.LittleEndian.Uint64(dynamic[8:])
	}
	const entry = 24
	if tags[elf.DT_RELASZ] == 0 {
		return nil
	}
	table, err := f.Bytes(tags[elf.DT_RELA], tags[elf.DT_RELASZ])
	if err != nil {
		return fmt.Errorf("relocations: %w", err)
	}
	// The table itself may be where a relocation points to.
	table = append([]byte(nil), table...)
	var s *Segment
	for ; len(table) >= entry; table = table[entry:] {
		at, info := binary.LittleEndian.Uint64(table), binary.LittleEndian.Uint64(table[8:])
		if elf.R_AARCH64(uint32(info)) != elf.R_AARCH64_RELATIVE {
			continue
		}
		if s == nil || at < s.Addr || at-s.Addr+8 > uint64(len(s.Data)) {
			if s = f.segment(at, 8); s == nil {
				continue // a place that is all zeros in memory and not in the file
			}
		}
		copy(s.Data[at-s.Addr:], table[16:24])
	}
	return nil
}
