package objfile

import (
	"debug/pe"
	"encoding/binary"
	"fmt"
)

// parsePE reads the headers and the section table of a PE file. It does not need the symbols
// and relocations, which debug/pe reads as well.
func (f *File) parsePE(data []byte) error {
	const peOffset, signature = 0x3c, "PE\x00\x00"
	if len(data) < peOffset+4 {
		return fmt.Errorf("%w: DOS header cut off at %#x", ErrFormat, len(data))
	}
	off := uint64(binary.LittleEndian.Uint32(data[peOffset:]))
	if off+4 > uint64(len(data)) || string(data[off:off+4]) != signature {
		return fmt.Errorf("%w: no PE header at %#x", ErrFormat, off)
	}
	off += 4
	var header pe.FileHeader
	n, err := binary.Decode(data[off:], binary.LittleEndian, &header)
	if err != nil {
		return fmt.Errorf("%w: PE header at %#x: cut off", ErrFormat, off)
	}
	if header.Machine != pe.IMAGE_FILE_MACHINE_ARM64 {
		return f.foreignError(peArch(header.Machine))
	}
	off += uint64(n)
	// The optional header ends with a list of directories, whose number is in the header.
	const magic64 = 0x20b
	var optional pe.OptionalHeader64
	fixedSize := binary.Size(optional) - binary.Size(optional.DataDirectory)
	if int(header.SizeOfOptionalHeader) < fixedSize || uint64(len(data)) < off+uint64(header.SizeOfOptionalHeader) {
		return fmt.Errorf("optional header at %#x: cut off", off)
	}
	if magic := binary.LittleEndian.Uint16(data[off:]); magic != magic64 {
		return fmt.Errorf("optional header at %#x: magic %#x, want %#x", off, magic, magic64)
	}
	const imageBaseOffset = 24
	imageBase := binary.LittleEndian.Uint64(data[off+imageBaseOffset:])
	off += uint64(header.SizeOfOptionalHeader)
	for i := range header.NumberOfSections {
		var s pe.SectionHeader32
		n, err := binary.Decode(data[min(off, uint64(len(data))):], binary.LittleEndian, &s)
		if err != nil {
			return fmt.Errorf("section header %d at %#x: cut off", i, off)
		}
		off += uint64(n)
		size := min(s.SizeOfRawData, s.VirtualSize) // the rest of the data in the file is padding
		if size == 0 || s.PointerToRawData == 0 {
			continue
		}
		segment := Segment{
			Addr:  imageBase + uint64(s.VirtualAddress),
			Exec:  s.Characteristics&pe.IMAGE_SCN_MEM_EXECUTE != 0,
			Write: s.Characteristics&pe.IMAGE_SCN_MEM_WRITE != 0,
		}
		if err := f.addSegment(data, segment, uint64(s.PointerToRawData), uint64(size)); err != nil {
			return err
		}
	}
	return nil
}
