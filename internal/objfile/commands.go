package objfile

import (
	"debug/macho"
	"encoding/binary"
	"fmt"
	"iter"
)

// commandHeaderSize is the size in bytes of the two words at the beginning of a load
// command: its kind and its size.
const commandHeaderSize = 8

// LoadCommands yields the bytes of each load command of a 64-bit Mach-O file that begins
// with data. If the header or a command is cut off, it yields an error and ends. It does not
// allocate memory. Package debug/macho does, for every symbol table that a command names.
func LoadCommands(data []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		const headerSize = 32
		var header macho.FileHeader
		if _, err := binary.Decode(data, binary.LittleEndian, &header); err != nil || len(data) < headerSize {
			yield(nil, fmt.Errorf("Mach-O header cut off at %#x", len(data)))
			return
		}
		end := min(headerSize+uint64(header.Cmdsz), uint64(len(data)))
		off := uint64(headerSize)
		for i := range header.Ncmd {
			if end-off < commandHeaderSize {
				yield(nil, fmt.Errorf("load command %d at %#x: cut off", i, off))
				return
			}
			size := uint64(binary.LittleEndian.Uint32(data[off+4:]))
			if size < commandHeaderSize || size > end-off {
				yield(nil, fmt.Errorf("load command %d at %#x: %d bytes, want %d to %d", i, off, size, commandHeaderSize, end-off))
				return
			}
			if !yield(data[off:off+size:off+size], nil) {
				return
			}
			off += size
		}
	}
}
