package objfile

import (
	"bytes"
	"debug/macho"
	"encoding/binary"
	"fmt"
)

// maxParts is how many parts a universal file may have. Java's class files begin
// with the same bytes, and have a larger number there.
const maxParts = 30

// parseUniversal reads the arm64 part of a universal file. The other parts may
// be whatever they like.
func (f *File) parseUniversal(data []byte) error {
	const header, part = 8, 20
	if len(data) < header {
		return fmt.Errorf("%w: universal file cut off at %#x", ErrFormat, len(data))
	}
	parts := binary.BigEndian.Uint32(data[4:])
	if parts > maxParts || len(data) < header+int(parts)*part {
		return fmt.Errorf("%w: universal file of %d parts", ErrFormat, parts)
	}
	for i := range parts {
		p := data[header+part*i:]
		if macho.Cpu(binary.BigEndian.Uint32(p)) != macho.CpuArm64 {
			continue
		}
		offset, size := uint64(binary.BigEndian.Uint32(p[8:])), uint64(binary.BigEndian.Uint32(p[12:]))
		if offset+size > uint64(len(data)) {
			return fmt.Errorf("part for arm64 at [%#x,%#x) out of file bounds [0,%#x)", offset, offset+size, len(data))
		}
		return f.parseMachO(data[:offset+size], offset)
	}
	return fmt.Errorf("%w: universal file without a part for it", ErrFormat)
}

// parseMachO reads a Mach-O file that begins at an offset.
func (f *File) parseMachO(data []byte, begin uint64) error {
	file, err := macho.NewFile(bytes.NewReader(data[begin:]))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if file.Cpu != macho.CpuArm64 {
		return fmt.Errorf("%w: Mach-O for %v", ErrFormat, file.Cpu)
	}
	var order []int // of the segments in the file, those with contents; or -1
	var fixups []byte
	base := uint64(0)
	for _, load := range file.Loads {
		if raw := load.Raw(); len(raw) >= 16 && binary.LittleEndian.Uint32(raw) == loadChainedFixups {
			offset, size := uint64(binary.LittleEndian.Uint32(raw[8:])), uint64(binary.LittleEndian.Uint32(raw[12:]))
			if end := begin + offset + size; end > uint64(len(data)) {
				return fmt.Errorf("chained fixups [%#x,%#x) out of file bounds [0,%#x)", begin+offset, end, len(data))
			}
			fixups = data[begin+offset:][:size]
		}
		s, ok := load.(*macho.Segment)
		if !ok {
			continue
		}
		order = append(order, -1)
		if s.Name == "__TEXT" {
			base = s.Addr
		}
		if s.Filesz == 0 {
			continue
		}
		order[len(order)-1] = len(f.Segments)
		segment := Segment{Addr: s.Addr, Exec: s.Prot&4 != 0, Write: s.Prot&2 != 0}
		if err := f.add(data, segment, begin+s.Offset, s.Filesz); err != nil {
			return err
		}
	}
	if fixups == nil {
		return nil // what the loader moves holds its address in place
	}
	return f.relocateMachO(fixups, order, base)
}

// From <mach-o/loader.h> and <mach-o/fixup-chains.h>.
const (
	loadChainedFixups  = 0x34 | 0x80000000
	pointer64          = 2 // the target is an address
	pointer64Offset    = 6 // the target is an offset from the image's base
	chainNone          = 0xffff
	chainMulti         = 0x8000 // a page with several chains; for 32 bits only
	chainStride        = 4      // bytes a step, in both pointer formats
	chainTarget        = 1<<36 - 1
	chainedStartsField = 4 // of the header: the offset of the starts
)

// relocateMachO follows the chains of fixups through the pages of each segment,
// and writes to each place the address that the loader would.
func (f *File) relocateMachO(fixups []byte, order []int, base uint64) error {
	word := func(at uint64, size int) uint64 {
		if at+uint64(size) > uint64(len(fixups)) {
			return 0
		}
		if size == 2 {
			return uint64(binary.LittleEndian.Uint16(fixups[at:]))
		}
		return uint64(binary.LittleEndian.Uint32(fixups[at:]))
	}
	starts := word(chainedStartsField, 4)
	for i := uint64(0); i < word(starts, 4) && i < uint64(len(order)); i++ {
		info := word(starts+4+4*i, 4)
		if info == 0 || order[i] < 0 {
			continue
		}
		at := starts + info
		page, format, pages := word(at+4, 2), word(at+6, 2), word(at+20, 2)
		if format != pointer64 && format != pointer64Offset {
			return fmt.Errorf("chained fixups: pointer format %d is none of arm64's", format)
		}
		data := f.Segments[order[i]].Data
		for p := uint64(0); p < pages; p++ {
			start := word(at+22+2*p, 2)
			if start == chainNone || start&chainMulti != 0 {
				continue
			}
			for place := p*page + start; place+8 <= uint64(len(data)); {
				raw := binary.LittleEndian.Uint64(data[place:])
				if raw>>63 == 0 { // a rebase, not a bind
					target := raw&chainTarget | raw>>36&0xff<<56
					if format == pointer64Offset {
						target += base
					}
					binary.LittleEndian.PutUint64(data[place:], target)
				}
				next := raw >> 51 & 0xfff * chainStride
				if next == 0 {
					break
				}
				place += next
			}
		}
	}
	return nil
}
