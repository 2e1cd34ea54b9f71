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
	const page, format, command, headers = 16 << 10, 2, 0x80000034, 32
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
	segments, index, first := 0, 0, uint64(0)
	for load, err := range objfile.LoadCommands(macho) {
		require.NoError(tb, err)
		if word.Uint32(load) != 0x19 {
			continue
		}
		if off, size := word.Uint64(load[40:]), word.Uint64(load[48:]); uint64(place) >= off && uint64(place) < off+size {
			index, first = segments, off
		}
		segments++
	}
	chain := (uint64(place) - first) / page
	require.Less(tb, (uint64(place)-first)%page+8*14, uint64(page), "the module data cross a page")

	for len(data)%16 != 0 {
		data = append(data, 0)
	}
	at := len(data)
	starts := 4 + 4*segments
	for _, n := range []int{0, headers, 0, 0, 0, 0, 0, 0, segments} { // the header, up to the number of segments
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
			start = uint16((uint64(place) - first) % page)
		}
		data = word.AppendUint16(data, start)
	}
	// The load command, in the room that linkers leave after the others.
	end := headers + int(word.Uint32(data[20:]))
	require.Equal(tb, make([]byte, 16), data[end:end+16], "no room for a load command")
	for i, n := range []int{command, 16, at, len(data) - at} {
		word.PutUint32(data[end+4*i:], uint32(n))
	}
	word.PutUint32(data[16:], word.Uint32(data[16:])+1)
	word.PutUint32(data[20:], word.Uint32(data[20:])+16)
	return data
}
