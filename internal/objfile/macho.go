package objfile

import (
	"debug/macho"
	"encoding/binary"
	"fmt"

	"splitadd/internal/budget"
)

// Magic numbers of Mach-O and universal files.
var (
	magicMachO64   = []byte{0xcf, 0xfa, 0xed, 0xfe}
	magicMachO32   = []byte{0xce, 0xfa, 0xed, 0xfe}
	magicUniversal = []byte{0xca, 0xfe, 0xba, 0xbe}
)

// maxParts is how many parts a universal file may have. Java's class files begin with the
// same magic number, and have a larger number in place of the number of parts.
const maxParts = 30

// parseUniversal reads the arm64 part of a universal file, and no other.
func (f *File) parseUniversal(data []byte) error {
	const headerSize, partSize = 8, 20
	if len(data) < headerSize {
		return fmt.Errorf("%w: universal file cut off at %#x", ErrFormat, len(data))
	}
	parts := binary.BigEndian.Uint32(data[4:])
	if parts == 0 || parts > maxParts || len(data) < headerSize+int(parts)*partSize {
		return fmt.Errorf("%w: universal file of %d parts", ErrFormat, parts)
	}
	otherArch := ""
	for i := range parts {
		entry := data[headerSize+partSize*i:]
		if cpu := macho.Cpu(binary.BigEndian.Uint32(entry)); cpu != macho.CpuArm64 {
			if otherArch == "" {
				otherArch = machoArch(cpu)
			}
			continue
		}
		offset, size := uint64(binary.BigEndian.Uint32(entry[8:])), uint64(binary.BigEndian.Uint32(entry[12:]))
		if offset+size > uint64(len(data)) {
			return fmt.Errorf("part for arm64 at [%#x,%#x) out of file bounds [0,%#x)", offset, offset+size, len(data))
		}
		return f.parseMachO(data[:offset+size], offset)
	}
	return f.foreignError(otherArch)
}

// parseMachO reads the Mach-O file that begins at an offset in data.
func (f *File) parseMachO(data []byte, offset uint64) error {
	if offset > uint64(len(data)) {
		return fmt.Errorf("%w: Mach-O header at %#x out of file bounds [0,%#x)", ErrFormat, offset, len(data))
	}
	image := data[offset:]
	var header macho.FileHeader
	if _, err := binary.Decode(image, binary.LittleEndian, &header); err != nil {
		return fmt.Errorf("%w: Mach-O header cut off at %#x", ErrFormat, len(data))
	}
	if header.Cpu != macho.CpuArm64 || header.Magic != macho.Magic64 {
		return f.foreignError(machoArch(header.Cpu))
	}
	m := machoFile{File: f, data: data, offset: offset}
	for command, err := range LoadCommands(image) {
		if err != nil {
			return err
		}
		f.Budget.Work(1)
		switch kind := binary.LittleEndian.Uint32(command); {
		case kind == loadChainedFixups && len(command) >= 16:
			err = m.findFixups(command)
		case kind == uint32(macho.LoadCmdSegment64):
			err = m.loadSegment(command)
		}
		if err != nil {
			return err
		}
	}
	if m.fixups == nil {
		return nil // words that the loader relocates have their address already
	}
	return m.relocate()
}

// A machoFile is the state of parseMachO.
type machoFile struct {
	*File
	data   []byte // of the file, universal or not, to the end of the Mach-O file
	offset uint64 // of the Mach-O file in data

	base         uint64 // address of __TEXT
	segmentIndex []int  // for each segment command: the index in File.Segments, or -1
	fixups       []byte // the chained fixups, or nil
}

// findFixups sets m.fixups from the load command LC_DYLD_CHAINED_FIXUPS.
func (m *machoFile) findFixups(command []byte) error {
	offset, size := uint64(binary.LittleEndian.Uint32(command[8:])), uint64(binary.LittleEndian.Uint32(command[12:]))
	begin := m.offset + offset
	if end := begin + size; end > uint64(len(m.data)) {
		return fmt.Errorf("chained fixups [%#x,%#x) out of file bounds [0,%#x)", begin, end, len(m.data))
	}
	m.fixups = m.data[begin:][:size]
	return nil
}

// loadSegment adds the segment of the load command LC_SEGMENT_64.
func (m *machoFile) loadSegment(command []byte) error {
	var s macho.Segment64
	if _, err := binary.Decode(command, binary.LittleEndian, &s); err != nil {
		return fmt.Errorf("load command of a segment, %d bytes: cut off", len(command))
	}
	if len(m.segmentIndex) == maxSegments {
		return fmt.Errorf("more than %d segments: %w", maxSegments, budget.ErrExceeded)
	}
	m.segmentIndex = append(m.segmentIndex, -1)
	if string(s.Name[:7]) == "__TEXT\x00" {
		m.base = s.Addr
	}
	if s.Filesz == 0 || s.Memsz == 0 {
		return nil // not mapped: Go's linker puts debug information there
	}
	m.segmentIndex[len(m.segmentIndex)-1] = len(m.Segments)
	if size := uint64(len(m.data)) - m.offset; s.Offset > size {
		return fmt.Errorf("segment at %#x out of file bounds [0,%#x)", s.Offset, size)
	}
	return m.addSegment(m.data, Segment{Addr: s.Addr, Exec: s.Prot&4 != 0, Write: s.Prot&2 != 0}, m.offset+s.Offset, s.Filesz)
}

// From <mach-o/loader.h> and <mach-o/fixup-chains.h>.
const (
	loadChainedFixups  = 0x34 | 0x80000000
	pointer64          = 2 // the target is an address
	pointer64Offset    = 6 // the target is an offset from the image's base
	chainNone          = 0xffff
	chainMulti         = 0x8000 // a page with several chains; for 32 bits only
	chainStride        = 4      // bytes; the unit of distances in a chain, in both pointer formats
	chainTarget        = 1<<36 - 1
	chainedStartsField = 4 // of the header: the offset of the starts
)

// relocate follows the chains of fixups through the pages of each segment, and writes to
// each place the address that the loader would write if it did not move the file.
func (m *machoFile) relocate() error {
	word := func(off uint64, size int) uint64 {
		if off+uint64(size) > uint64(len(m.fixups)) {
			return 0
		}
		if size == 2 {
			return uint64(binary.LittleEndian.Uint16(m.fixups[off:]))
		}
		return uint64(binary.LittleEndian.Uint32(m.fixups[off:]))
	}
	starts := word(chainedStartsField, 4)
	for i := uint64(0); i < word(starts, 4) && i < uint64(len(m.segmentIndex)); i++ {
		infoOffset := word(starts+4+4*i, 4)
		if infoOffset == 0 || m.segmentIndex[i] < 0 {
			continue
		}
		info := starts + infoOffset // dyld_chained_starts_in_segment
		pageSize, format, pages := word(info+4, 2), word(info+6, 2), word(info+20, 2)
		if format != pointer64 && format != pointer64Offset {
			return fmt.Errorf("chained fixups: pointer format %d is not one of arm64", format)
		}
		if pageSize != 4<<10 && pageSize != 16<<10 {
			return fmt.Errorf("chained fixups: pages of %d bytes: want 4096 or 16384", pageSize)
		}
		targetBase := m.base
		if format == pointer64 {
			targetBase = 0
		}
		data := m.Segments[m.segmentIndex[i]].Data
		for p := uint64(0); p < pages && p*pageSize < uint64(len(data)); p++ {
			start := word(info+22+2*p, 2)
			if start == chainNone || start&chainMulti != 0 || start >= pageSize {
				continue
			}
			m.applyFixups(data[p*pageSize:], start, pageSize, targetBase)
		}
	}
	return nil
}

// applyFixups follows the chain of fixups that begins at an offset in a page, and ends
// in it.
func (f *File) applyFixups(data []byte, off, pageSize, base uint64) {
	fixups := 0
	for off < pageSize && off+8 <= uint64(len(data)) {
		fixups++
		pointer := binary.LittleEndian.Uint64(data[off:])
		if pointer>>63 == 0 { // a rebase, not a bind
			target := pointer&chainTarget | pointer>>36&0xff<<56
			binary.LittleEndian.PutUint64(data[off:], target+base)
		}
		next := pointer >> 51 & 0xfff * chainStride
		if next == 0 {
			break
		}
		off += next
	}
	f.Budget.Work(fixups)
}
