// Package objfile opens executable files for arm64. It returns their segments as they will be
// in memory, with their addresses. Files may be hostile, so all reading of a file spends
// from the file's budget.
package objfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/edsrzf/mmap-go"

	"splitadd/internal/budget"
)

// ErrFormat is wrapped by the error of Open for a file that is not an executable
// for arm64.
var ErrFormat = errors.New("not an executable for arm64")

// Limits of what headers may claim. Linkers write about a dozen segments, which overlap in
// the file only at their ends.
const (
	maxSegments = 128
	maxOverlap  = 2 // all segments together may have this many times the file's size
)

// A Segment is a part of the file that is mapped into memory.
type Segment struct {
	Addr   uint64 // where it is mapped, if the loader does not move the file
	Offset int64  // of Data in the file
	Data   []byte // the file's bytes, relocated; read-only
	Exec   bool
	Write  bool
}

// A File is an open executable. Its segments are valid until it is closed.
type File struct {
	Path     string
	Format   string // "ELF", "Mach-O" or "PE"
	Segments []Segment

	// Budget is the budget of the file: all reading spends from it.
	Budget *budget.Budget

	data         []byte
	segmentBytes int // of all segments together
	mapped       mmap.MMap
	file         *os.File
}

// Source returns the open file, for reads with ReadAt. Its bytes are not relocated. It is
// valid until Close. If f was made by Parse, Source returns nil.
func (f *File) Source() *os.File { return f.file }

// Contents returns the whole file, including all parts of a universal file. Its segments are
// relocated. The bytes are read-only.
func (f *File) Contents() []byte { return f.data }

// Parse is like Open, for a file whose contents are data. It relocates them in place. The
// path is used in errors only.
func Parse(path string, data []byte) (*File, error) {
	return ParseWithLimits(context.Background(), path, data, budget.Default)
}

// ParseWithLimits is like OpenWithLimits, for a file whose contents are data. It relocates
// them in place. The path is used in errors only.
func ParseWithLimits(ctx context.Context, path string, data []byte, limits budget.Limits) (*File, error) {
	f := &File{Path: path, data: data, Budget: budget.New(ctx, limits, int64(len(data)))}
	err := Guard(func() error { return f.parse(data) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// IsExecutable reports whether a file that begins with head may be an executable. Four bytes
// are enough.
func IsExecutable(head []byte) bool {
	for _, magic := range [][]byte{[]byte("\x7fELF"), []byte("MZ"), magicMachO64, magicMachO32, magicUniversal} {
		if bytes.HasPrefix(head, magic) {
			return true
		}
	}
	return false
}

// parse reads the headers of a file of any format, and relocates it.
func (f *File) parse(data []byte) error {
	f.Budget.Work(0)
	switch {
	case bytes.HasPrefix(data, []byte("\x7fELF")):
		f.Format = "ELF"
		return f.parseELF(data)
	case bytes.HasPrefix(data, []byte("MZ")):
		f.Format = "PE"
		return f.parsePE(data)
	case bytes.HasPrefix(data, magicMachO64), bytes.HasPrefix(data, magicMachO32):
		f.Format = "Mach-O"
		return f.parseMachO(data, 0)
	case bytes.HasPrefix(data, magicUniversal):
		f.Format = "Mach-O"
		return f.parseUniversal(data)
	}
	return fmt.Errorf("%w: no known format at offset 0", ErrFormat)
}

// addSegment adds a segment of size bytes at a file offset. Both are as the file claims them:
// it is an error if they are out of bounds, or if segments overlap in memory.
func (f *File) addSegment(data []byte, s Segment, offset, size uint64) error {
	if offset > uint64(len(data)) || size > uint64(len(data))-offset {
		return fmt.Errorf("segment [%#x,%#x) out of file bounds [0,%#x)", offset, offset+size, len(data))
	}
	if s.Addr+size < s.Addr {
		return fmt.Errorf("segment at offset %#x: address %#x + %#x overflows", offset, s.Addr, size)
	}
	if f.segmentBytes += int(size); f.segmentBytes > maxOverlap*len(f.data) || len(f.Segments) == maxSegments {
		return fmt.Errorf("segment at offset %#x: %d segments of %d bytes in a file of %d: %w",
			offset, len(f.Segments)+1, f.segmentBytes, len(f.data), budget.ErrExceeded)
	}
	for _, other := range f.Segments {
		if end := other.Addr + uint64(len(other.Data)); s.Addr < end && other.Addr < s.Addr+size {
			return fmt.Errorf("segments [%#x,%#x) and [%#x,%#x) overlap", other.Addr, end, s.Addr, s.Addr+size)
		}
	}
	s.Offset, s.Data = int64(offset), data[offset:offset+size:offset+size]
	f.Segments = append(f.Segments, s)
	return nil
}

// SegmentAt returns the segment that contains an address, or nil.
func (f *File) SegmentAt(addr uint64) *Segment { return f.segmentContaining(addr, 1) }

// segmentContaining returns the segment that contains n bytes at an address, or nil.
func (f *File) segmentContaining(addr, n uint64) *Segment {
	for i := range f.Segments {
		if s := &f.Segments[i]; s.contains(addr, n) {
			return s
		}
	}
	return nil
}

// contains reports whether the segment contains n bytes at an address.
func (s *Segment) contains(addr, n uint64) bool {
	size := uint64(len(s.Data))
	return addr >= s.Addr && addr-s.Addr <= size && n <= size-(addr-s.Addr)
}

// Bytes returns n bytes at an address, relocated. They are not copied, and are read-only. It
// is an error if they are not in one segment.
func (f *File) Bytes(addr, n uint64) ([]byte, error) {
	s := f.segmentContaining(addr, n)
	if s == nil {
		return nil, fmt.Errorf("address [%#x,%#x) is in no segment", addr, addr+n)
	}
	return s.Data[addr-s.Addr:][:n:n], nil
}

// Offset returns the offset in the file of n bytes at an address. It is an error if they are
// not in one segment.
func (f *File) Offset(addr, n uint64) (int64, error) {
	s := f.segmentContaining(addr, n)
	if s == nil {
		return 0, fmt.Errorf("address [%#x,%#x) is in no segment", addr, addr+n)
	}
	return s.Offset + int64(addr-s.Addr), nil
}
