// Package objfile opens executable files for arm64 as what they will be in
// memory: segments at addresses.
package objfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/edsrzf/mmap-go"
)

// ErrFormat is wrapped by the error of Open for a file that is no executable
// for arm64.
var ErrFormat = errors.New("not an executable for arm64")

// A Segment is a part of the file that is mapped into memory.
type Segment struct {
	Addr   uint64 // where it is mapped, where the loader moves nothing
	Offset int64  // of Data in the file
	Data   []byte // the file's bytes, relocated; not to be written
	Exec   bool
	Write  bool
}

// A File is an open executable. Its segments are valid until Close.
type File struct {
	Path     string
	Format   string // "ELF", "Mach-O" or "PE"
	Segments []Segment

	data   []byte
	mapped mmap.MMap
	file   *os.File
}

// Source returns the open file that is mapped, to be read at offsets: its bytes
// are not relocated. It is valid until Close, and nil if Parse made f.
func (f *File) Source() *os.File { return f.file }

// Contents returns the whole file, relocated; of a universal file, too, all of
// it. It is not to be written.
func (f *File) Contents() []byte { return f.data }

// Open maps the file into memory and reads its headers.
func Open(path string) (f *File, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return nil, fmt.Errorf("%s: %w: no regular file with contents", path, ErrFormat)
	}
	// A private copy, page by page, of what relocation writes to.
	mapped, err := mmap.Map(file, mmap.COPY, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if f, err = Parse(path, mapped); err != nil {
		_ = mapped.Unmap()
		return nil, err
	}
	f.mapped, f.file = mapped, file
	return f, nil
}

// Parse reads the headers of an executable in memory, and relocates it there.
// The path is for errors.
func Parse(path string, data []byte) (*File, error) {
	f, err := &File{Path: path, data: data}, fmt.Errorf("%w: no known format at offset 0", ErrFormat)
	switch {
	case bytes.HasPrefix(data, []byte("\x7fELF")):
		f.Format, err = "ELF", f.parseELF(data)
	case bytes.HasPrefix(data, []byte("MZ")):
		f.Format, err = "PE", f.parsePE(data)
	case bytes.HasPrefix(data, []byte{0xcf, 0xfa, 0xed, 0xfe}):
		f.Format, err = "Mach-O", f.parseMachO(data, 0)
	case bytes.HasPrefix(data, []byte{0xca, 0xfe, 0xba, 0xbe}):
		f.Format, err = "Mach-O", f.parseUniversal(data)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Close unmaps and closes the file.
func (f *File) Close() error {
	if f.mapped == nil {
		return nil
	}
	return errors.Join(f.mapped.Unmap(), f.file.Close())
}

// add adds a segment of size bytes at a file offset, both as the file claims
// them.
func (f *File) add(data []byte, s Segment, offset, size uint64) error {
	if offset > uint64(len(data)) || size > uint64(len(data))-offset {
		return fmt.Errorf("segment [%#x,%#x) out of file bounds [0,%#x)", offset, offset+size, len(data))
	}
	if s.Addr+size < s.Addr {
		return fmt.Errorf("segment at offset %#x: address %#x + %#x overflows", offset, s.Addr, size)
	}
	s.Offset, s.Data = int64(offset), data[offset:offset+size:offset+size]
	f.Segments = append(f.Segments, s)
	return nil
}

// segment returns the segment that holds n bytes at an address, or nil.
func (f *File) segment(addr, n uint64) *Segment {
	for i := range f.Segments {
		s := &f.Segments[i]
		if size := uint64(len(s.Data)); addr >= s.Addr && addr-s.Addr <= size && n <= size-(addr-s.Addr) {
			return s
		}
	}
	return nil
}

// Bytes returns n bytes at an address. They are the file's and not to be
// written.
func (f *File) Bytes(addr, n uint64) ([]byte, error) {
	s := f.segment(addr, n)
	if s == nil {
		return nil, fmt.Errorf("address [%#x,%#x) is in no segment", addr, addr+n)
	}
	return s.Data[addr-s.Addr:][:n:n], nil
}

// Offset returns where in the file the n bytes at an address are.
func (f *File) Offset(addr, n uint64) (int64, error) {
	s := f.segment(addr, n)
	if s == nil {
		return 0, fmt.Errorf("address [%#x,%#x) is in no segment", addr, addr+n)
	}
	return s.Offset + int64(addr-s.Addr), nil
}
