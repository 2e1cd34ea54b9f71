package objfile

import (
	"debug/pe"
	"encoding/binary"
	"fmt"
)

// parsePE reads the headers and the section table. The symbols and relocations,
// which debug/pe reads as well, are not needed.
func (f *File) parsePE(data []byte) error {
	const pointer, signature = 0x3c, "PE\x00\x00"
	if len(data) < pointer+4 {
		return fmt.Errorf("%w: DOS header cut off at %#x", ErrFormat, len(data))
	}
	at := uint64(binary.LittleEndian.Uint32(data[pointer:]))
	if at+4 > uint64(len(data)) || string(data[at:at+4]) != signature {
		return fmt.Errorf("%w: no PE header at %#x", ErrFormat, at)
	}
	at += 4
	var header pe.FileHeader
	n, err := binary.Decode(data[at:], binary.LittleEndian, &header)
	if err != nil {
		return fmt.Errorf("%w: PE header at %#x: cut off", ErrFormat, at)
	}
	if header.Machine != pe.IMAGE_FILE_MACHINE_ARM64 {
		return f.foreign(archPE(header.Machine))
	}
	at += uint64(n)
	// The optional header ends in a list of directories. It also says how many these
	// are.
	const magic64 = 0x20b
	var optional pe.OptionalHeader64
	fixed := binary.Size(optional) - binary.Size(optional.DataDirectory)
	if int(header.SizeOfOptionalHeader) < fixed || uint64(len(data)) < at+uint64(header.SizeOfOptionalHeader) {
		return fmt.Errorf("optional header at %#x: cut off", at)
	}
	if magic := binary.LittleEndian.Uint16(data[at:]); magic != magic64 {
		return fmt.Errorf("optional header at %#x: magic %#x, want %#x", at, magic, magic64)
	}
	const base = 24
	imageBase := binary.LittleEndian.Uint64(data[at+base:])
	at += uint64(header.SizeOfOptionalHeader)
	for i := range header.NumberOfSections {
		var s pe.SectionHeader32
		n, err := binary.Decode(data[min(at, uint64(len(data))):], binary.LittleEndian, &s)
		if err != nil {
			return fmt.Errorf("section header %d at %#x: cut off", i, at)
		}
		at += uint64(n)
		size := min(s.SizeOfRawData, s.VirtualSize) // the rest of the file's size is padding
		if size == 0 || s.PointerToRawData == 0 {
			continue
		}
		segment := Segment{
			Addr:  imageBase + uint64(s.VirtualAddress),
			Exec:  s.Characteristics&pe.IMAGE_SCN_MEM_EXECUTE != 0,
			Write: s.Characteristics&pe.IMAGE_SCN_MEM_WRITE != 0,
		}
		if err := f.add(data, segment, uint64(s.PointerToRawData), uint64(size)); err != nil {
			return err
		}
	}
	return nil
}
