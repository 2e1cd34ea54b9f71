package core

import (
	"context"
	"encoding/binary"
	"io"
	"sort"

	"splitadd/internal/objfile"
)

// Word returns the 8-byte word at an address, and whether the file has it.
func (f *File) Word(addr uint64) (uint64, bool) {
	var b [8]byte
	if f.Read(addr, b[:]) < len(b) {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b[:]), true
}

// Read reads memory at an address, at most up to the end of the segment. It returns the
// number of bytes that it read.
func (f *File) Read(addr uint64, to []byte) int {
	i := sort.Search(len(f.Segments), func(i int) bool { return f.Segments[i].Addr > addr }) - 1
	if i < 0 || addr-f.Segments[i].Addr >= f.Segments[i].Size {
		return 0
	}
	at := addr - f.Segments[i].Addr
	n, err := f.file.ReadAt(to[:min(uint64(len(to)), f.Segments[i].Size-at)], f.Segments[i].offset+int64(at))
	if err != nil && err != io.EOF {
		return 0
	}
	return n
}

const readSize = 1 << 20 // bytes that VisitMemory reads at a time

// VisitMemory calls visit with all memory that the file has, piece by piece, until visit
// returns false. The addresses and sizes of the pieces are multiples of 8. Holes in the file,
// which are zeros, are left out. VisitMemory ends with an error when ctx is done.
func (f *File) VisitMemory(ctx context.Context, visit func(addr uint64, memory []byte) bool) error {
	buffer := make([]byte, readSize)
	for _, s := range f.Segments {
		skip := -s.Addr & 7
		end := s.offset + int64(s.Size)
		for at := s.offset + int64(skip); at+8 <= end; {
			if err := ctx.Err(); err != nil {
				return err
			}
			from, to := nextData(f.file, at, end)
			if from > at { // go on at the word in which the data begin
				at += (from - at) &^ 7
			}
			for at < to && at+8 <= end {
				n := int(min(int64(readSize), (end-at)&^7, (to-at+7)&^7))
				got, err := io.ReadFull(io.NewSectionReader(f.file, at, int64(n)), buffer[:n])
				if got &^= 7; got == 0 {
					if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
						return err
					}
					return objfile.ErrChanged
				}
				if !visit(s.Addr+uint64(at-s.offset), buffer[:got]) {
					return nil
				}
				at += int64(got)
			}
			if from >= end {
				break
			}
		}
	}
	return nil
}
