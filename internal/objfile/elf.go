package objfile

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
)

// parseELF reads the program headers of an ELF file and relocates it. It does not use section
// headers, which may be absent.
func (f *File) parseELF(data []byte) error {
	var header elf.Header64
	if len(data) < elf.EI_NIDENT+4 {
		return fmt.Errorf("%w: ELF header cut off at %#x", ErrFormat, len(data))
	}
	copy(header.Ident[:], data)
	if arch := elfArch(header.Ident, elfMachine(header.Ident, data)); arch != "arm64" {
		return f.foreignError(arch)
	}
	n, err := binary.Decode(data, binary.LittleEndian, &header)
	if err != nil {
		return fmt.Errorf("ELF header cut off at %#x", len(data))
	}
	var dynamic elf.Prog64
	if size := binary.Size(dynamic); header.Phnum > 0 && int(header.Phentsize) != size {
		return fmt.Errorf("program headers of %d bytes: want %d", header.Phentsize, size)
	}
	for i := range uint64(header.Phnum) {
		f.Budget.Work(1)
		off := header.Phoff + i*uint64(header.Phentsize)
		var p elf.Prog64
		if off < uint64(n) || off > uint64(len(data)) {
			return fmt.Errorf("program header %d at %#x out of file bounds [%#x,%#x)", i, off, n, len(data))
		}
		if _, err := binary.Decode(data[off:], binary.LittleEndian, &p); err != nil {
			return fmt.Errorf("program header %d at %#x: cut off", i, off)
		}
		switch flags := elf.ProgFlag(p.Flags); {
		case elf.ProgType(p.Type) == elf.PT_DYNAMIC:
			dynamic = p
		case elf.ProgType(p.Type) == elf.PT_LOAD && p.Filesz > 0:
			s := Segment{Addr: p.Vaddr, Exec: flags&elf.PF_X != 0, Write: flags&elf.PF_W != 0}
			if err := f.addSegment(data, s, p.Off, p.Filesz); err != nil {
				return err
			}
		}
	}
	if dynamic.Filesz == 0 {
		return nil
	}
	return f.relocateELF(dynamic.Vaddr, dynamic.Filesz)
}

// relocateELF applies the relocations R_AARCH64_RELATIVE as the loader does if it does not
// move the file: it writes the addend of each to its address. Position-independent
// executables and shared objects have zeros there. Packed relocations (DT_RELR) need
// nothing, because their addends are in place already. The dynamic section has size bytes
// at addr.
func (f *File) relocateELF(addr, size uint64) error {
	dynamic, err := f.Bytes(addr, size&^15)
	if err != nil {
		return fmt.Errorf("dynamic section: %w", err)
	}
	var relaAddr, relaSize uint64
	for ; len(dynamic) > 0; dynamic = dynamic[16:] {
		f.Budget.Work(1)
		value := binary.LittleEndian.Uint64(dynamic[8:])
		switch elf.DynTag(binary.LittleEndian.Uint64(dynamic)) {
		case elf.DT_NULL:
			return f.relocateRELA(relaAddr, relaSize)
		case elf.DT_RELA:
			relaAddr = value
		case elf.DT_RELASZ:
			relaSize = value
		}
	}
	return f.relocateRELA(relaAddr, relaSize)
}

// relocateRELA applies the table DT_RELA of size bytes at addr.
func (f *File) relocateRELA(addr, size uint64) error {
	const entrySize, batch = 24, 4096
	if size == 0 {
		return nil
	}
	table, err := f.Bytes(addr, size)
	if err != nil {
		return fmt.Errorf("relocations: %w", err)
	}
	var s *Segment
	for i := 0; len(table) >= entrySize; i, table = i+1, table[entrySize:] {
		if i%batch == 0 {
			f.Budget.Work(batch)
		}
		target, info := binary.LittleEndian.Uint64(table), binary.LittleEndian.Uint64(table[8:])
		if elf.R_AARCH64(uint32(info)) != elf.R_AARCH64_RELATIVE {
			continue
		}
		if s == nil || !s.contains(target, 8) {
			f.Budget.Work(len(f.Segments))
			if s = f.segmentContaining(target, 8); s == nil {
				continue // in zeroed memory, which is not in the file
			}
		}
		copy(s.Data[target-s.Addr:], table[16:24])
	}
	return nil
}
