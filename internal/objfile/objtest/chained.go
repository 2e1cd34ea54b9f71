package objtest

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"splitadd/internal/objfile"
)

// WithChainedFixups returns a Mach-O file whose module data are in a chain of fixups, as
// Apple's linker writes pointers. The function table can be found only by following the
// chain. Go's own linker writes addresses.
func WithChainedFixups(tb testing.TB, macho []byte) []byte {
	tb.Helper()
	f, err := objfile.Parse("macho", bytes.Clone(macho))
	require.NoError(tb, err)
	_, module := header(f)
	data := bytes.Clone(macho)
	word := binary.LittleEndian

	// The pointers of the module data's first slices, and its first word.
	place, err := f.Offset(module, 8*14)
	require.NoError(tb, err)
	pointers := []int{0, 1, 4, 7, 10, 13}
	for i, at := range pointers {
		next := uint64(0)
		if i+1 < len(pointers) {
			next = uint64(pointers[i+1]-at) * 2 // in steps of 4 bytes
		}
		p := data[int(place)+8*at:]
		word.PutUint64(p, word.Uint64(p)|next<<51)
	}
	for len(data)%16 != 0 {
		data = append(data, 0)
	}
	fixups := chainedFixups(tb, macho, uint64(place))
	addFixupsCommand(tb, data, len(data), len(fixups))
	return append(data, fixups...)
}

// The header of a Mach-O file is followed by its load commands.
const machHeaderSize = 32

// chainedFixups returns the data of LC_DYLD_CHAINED_FIXUPS for a file with one chain, which
// begins at a file offset.
func chainedFixups(tb testing.TB, macho []byte, place uint64) (data []byte) {
	const page, format, segment64, headerSize = 16 << 10, 2, 0x19, 32
	word := binary.LittleEndian
	segments, index, first := 0, 0, uint64(0)
	for load, err := range objfile.LoadCommands(macho) {
		require.NoError(tb, err)
		if word.Uint32(load) != segment64 {
			continue
		}
		if off, size := word.Uint64(load[40:]), word.Uint64(load[48:]); place >= off && place < off+size {
			index, first = segments, off
		}
		segments++
	}
	chain := (place - first) / page
	require.Less(tb, (place-first)%page+8*14, uint64(page), "the module data cross a page")

	starts := 4 + 4*segments
	for _, n := range []int{0, headerSize, 0, 0, 0, 0, 0, 0, segments} { // the header, up to the number of segments
		data = word.AppendUint32(data, uint32(n))
	}
	for i := range segments {
		info := 0
		if i == index {
			info = starts
		}
		data = word.AppendUint32(data, uint32(info))
	}
	data = word.AppendUint32(data, uint32(22+2*(chain+1)))
	data = word.AppendUint16(data, page)
	data = word.AppendUint16(data, format)
	data = word.AppendUint64(data, first)
	data = word.AppendUint32(data, 0)
	data = word.AppendUint16(data, uint16(chain+1))
	for i := range chain + 1 {
		start := uint16(0xffff)
		if i == chain {
			start = uint16((place - first) % page)
		}
		data = word.AppendUint16(data, start)
	}
	return data
}

// addFixupsCommand writes the load command of fixups at an offset of the file. It uses the
// room that linkers leave after the other load commands.
func addFixupsCommand(tb testing.TB, data []byte, at, size int) {
	const command = 0x80000034 // LC_DYLD_CHAINED_FIXUPS
	word := binary.LittleEndian
	end := machHeaderSize + int(word.Uint32(data[20:]))
	require.Equal(tb, make([]byte, 16), data[end:end+16], "no room for a load command")
	for i, n := range []int{command, 16, at, size} {
		word.PutUint32(data[end+4*i:], uint32(n))
	}
	word.PutUint32(data[16:], word.Uint32(data[16:])+1)
	word.PutUint32(data[20:], word.Uint32(data[20:])+16)
}
