package objfile

import (
	"bytes"
	"debug/pe"
	"fmt"
)

func (f *File) parsePE(data []byte) error {
	file, err := pe.NewFile(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	header, ok := file.OptionalHeader.(*pe.OptionalHeader64)
	if file.Machine != pe.IMAGE_FILE_MACHINE_ARM64 || !ok {
		return fmt.Errorf("%w: PE for machine %#x", ErrFormat, file.Machine)
	}
	for _, s := range file.Sections {
		size := min(s.Size, s.VirtualSize) // the rest of the file's size is padding
		if size == 0 || s.Offset == 0 {
			continue
		}
		segment := Segment{
			Addr:  header.ImageBase + uint64(s.VirtualAddress),
			Exec:  s.Characteristics&pe.IMAGE_SCN_MEM_EXECUTE != 0,
			Write: s.Characteristics&pe.IMAGE_SCN_MEM_WRITE != 0,
		}
		if err := f.add(data, segment, uint64(s.Offset), uint64(size)); err != nil {
			return err
		}
	}
	return nil
}
