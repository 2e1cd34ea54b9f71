package objfile

import (
	"bytes"
	"debug/elf"
	"fmt"
)

func (f *File) parseELF(data []byte) error {
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if file.Class != elf.ELFCLASS64 || file.Data != elf.ELFDATA2LSB || file.Machine != elf.EM_AARCH64 {
		return fmt.Errorf("%w: ELF for %v", ErrFormat, file.Machine)
	}
	f.Format = "ELF"
	for _, p := range file.Progs {
		if p.Type != elf.PT_LOAD || p.Filesz == 0 {
			continue
		}
		s := Segment{Addr: p.Vaddr, Exec: p.Flags&elf.PF_X != 0, Write: p.Flags&elf.PF_W != 0}
		if err := f.add(data, s, p.Off, p.Filesz); err != nil {
			return err
		}
	}
	return nil
}
