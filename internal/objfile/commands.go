package objfile

import (
	"debug/macho"
	"encoding/binary"
	"fmt"
	"iter"
)

// commandSizes is the number of bytes of the two words that a load command begins with.
const commandSizes = 8

// LoadCommands yields the load commands of a 64-bit Mach-O file that begins with data,
// each as all of its bytes. It ends with an error if the commands, or the header, are
// cut off. It does not allocate memory, in contrast to debug/macho, which reads every
// symbol table that a command names.
func LoadCommands(data []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		const header64 = 32
		var header macho.FileHeader
		if _, err := binary.Decode(data, binary.LittleEndian, &header); err != nil || len(data) < header64 {
			yield(nil, fmt.Errorf("Mach-O header cut off at %#x", len(data)))
			return
		}
		end := min(header64+uint64(header.Cmdsz), uint64(len(data)))
		at := uint64(header64)
		for i := range header.Ncmd {
			if end-at < commandSizes {
				yield(nil, fmt.Errorf("load command %d at %#x: cut off", i, at))
				return
			}
			size := uint64(binary.LittleEndian.Uint32(data[at+4:]))
			if size < commandSizes || size > end-at {
				yield(nil, fmt.Errorf("load command %d at %#x: %d bytes, want %d to %d", i, at, size, commandSizes, end-at))
				return
			}
			if !yield(data[at:at+size:at+size], nil) {
				return
			}
			at += size
		}
	}
}
