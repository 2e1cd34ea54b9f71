package objfile

import (
	"debug/macho"
	"encoding/binary"
	"fmt"

	"splitadd/internal/budget"
)

// What Mach-O and universal files begin with.
var (
	magicMachO64   = []byte{0xcf, 0xfa, 0xed, 0xfe}
	magicMachO32   = []byte{0xce, 0xfa, 0xed, 0xfe}
	magicUniversal = []byte{0xca, 0xfe, 0xba, 0xbe}
)

// maxParts is how many parts a universal file may have. Java's class files begin
// with the same bytes, and have a larger number there.
const maxParts = 30

// parseUniversal reads the arm64 part of a universal file. It does not look at the other
// parts.
func (f *File) parseUniversal(data []byte) error {
	const header, part = 8, 20
	if len(data) < header {
		return fmt.Errorf("%w: universal file cut off at %#x", ErrFormat, len(data))
	}
	parts := binary.BigEndian.Uint32(data[4:])
	if parts == 0 || parts > maxParts || len(data) < header+int(parts)*part {
		return fmt.Errorf("%w: universal file of %d parts", ErrFormat, parts)
	}
	other := ""
	for i := range parts {
		p := data[header+part*i:]
		if cpu := macho.Cpu(binary.BigEndian.Uint32(p)); cpu != macho.CpuArm64 {
			if other == "" {
				other = archMachO(cpu)
			}
			continue
		}
		offset, size := uint64(binary.BigEndian.Uint32(p[8:])), uint64(binary.BigEndian.Uint32(p[12:]))
		if offset+size > uint64(len(data)) {
			return fmt.Errorf("part for arm64 at [%#x,%#x) out of file bounds [0,%#x)", offset, offset+size, len(data))
		}
		return f.parseMachO(data[:offset+size], offset)
	}
	return f.foreign(other)
}

// parseMachO reads a Mach-O file that begins at an offset.
func (f *File) parseMachO(data []byte, begin uint64) error {
	if begin > uint64(len(data)) {
		return fmt.Errorf("%w: Mach-O header at %#x out of file bounds [0,%#x)", ErrFormat, begin, len(data))
	}
	image := data[begin:]
	var header macho.FileHeader
	if _, err := binary.Decode(image, binary.LittleEndian, &header); err != nil {
		return fmt.Errorf("%w: Mach-O header cut off at %#x", ErrFormat, len(data))
	}
	if header.Cpu != macho.CpuArm64 || header.Magic != macho.Magic64 {
		return f.foreign(archMachO(header.Cpu))
	}
	var order []int // of the segments in the file, those with contents; or -1
	var fixups []byte
	base := uint64(0)
	for command, err := range LoadCommands(image) {
		if err != nil {
			return err
		}
		f.Budget.Work(1)
		kind := binary.LittleEndian.Uint32(command)
		if kind == loadChainedFixups && len(command) >= 16 {
			offset, size := uint64(binary.LittleEndian.Uint32(command[8:])), uint64(binary.LittleEndian.Uint32(command[12:]))
			if end := begin + offset + size; end > uint64(len(data)) {
				return fmt.Errorf("chained fixups [%#x,%#x) out of file bounds [0,%#x)", begin+offset, end, len(data))
			}
			fixups = image[offset:][:size]
		}
		var s macho.Segment64
		if kind != uint32(macho.LoadCmdSegment64) {
			continue
		}
		if _, err := binary.Decode(command, binary.LittleEndian, &s); err != nil {
			return fmt.Errorf("load command of a segment, %d bytes: cut off", len(command))
		}
		if len(order) == maxSegments {
			return fmt.Errorf("more than %d segments: %w", maxSegments, budget.ErrExceeded)
		}
		order = append(order, -1)
		if string(s.Name[:7]) == "__TEXT\x00" {
			base = s.Addr
		}
		if s.Filesz == 0 || s.Memsz == 0 {
			continue // not mapped: Go's linker puts debug information there
		}
		order[len(order)-1] = len(f.Segments)
		segment := Segment{Addr: s.Addr, Exec: s.Prot&4 != 0, Write: s.Prot&2 != 0}
		if s.Offset > uint64(len(image)) {
			return fmt.Errorf("segment at %#x out of file bounds [0,%#x)", s.Offset, len(image))
		}
		if err := f.add(data, segment, begin+s.Offset, s.Filesz); err != nil {
			return err
		}
	}
	if fixups == nil {
		return nil // what the loader relocates holds its address already
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
			return fmt.Errorf("chained fixups: pointer format %d is not one of arm64", format)
		}
		if page != 4<<10 && page != 16<<10 {
			return fmt.Errorf("chained fixups: pages of %d bytes: want 4096 or 16384", page)
		}
		from := base
		if format == pointer64 {
			from = 0
		}
		data := f.Segments[order[i]].Data
		for p := uint64(0); p < pages && p*page < uint64(len(data)); p++ {
			start := word(at+22+2*p, 2)
			if start == chainNone || start&chainMulti != 0 || start >= page {
				continue
			}
			f.rebase(data[p*page:], start, page, from)
		}
	}
	return nil
}

// rebase follows the chain of fixups that begins at an offset in a page, and ends
// in it.
func (f *File) rebase(data []byte, place, page, base uint64) {
	steps := 0
	for place < page && place+8 <= uint64(len(data)) {
		steps++
		raw := binary.LittleEndian.Uint64(data[place:])
		if raw>>63 == 0 { // a rebase, not a bind
			target := raw&chainTarget | raw>>36&0xff<<56
			binary.LittleEndian.PutUint64(data[place:], target+base)
		}
		next := raw >> 51 & 0xfff * chainStride
		if next == 0 {
			break
		}
		place += next
	}
	f.Budget.Work(steps)
}
