package core

import (
	"bytes"
	"context"
	"debug/elf"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// loads returns n segments of size bytes each, step bytes apart in the file. They overlap if
// step is less than size.
func loads(n int, at, size, step uint64) (list []elf.Prog64) {
	for i := range uint64(n) {
		list = append(list, elf.Prog64{Vaddr: 0x10000 * (i + 1), Off: at + step*i, Filesz: size, Memsz: size})
	}
	return list
}

// TestClaimedTwice refuses files whose segments are larger than the file. Otherwise
// VisitMemory would read the same bytes many times.
func TestClaimedTwice(t *testing.T) {
	const size = 1 << 20
	notes := status(41, SIGSEGV)
	for name, c := range map[string]struct {
		n       int
		step    uint64
		refused bool
	}{
		"apart":                   {3, size, false},
		"all of the same bytes":   {4, 0, true},
		"of the same bytes, 1000": {1000, 0, true},
		"half of each is shared":  {8, size / 2, true},
	} {
		at := uint64(len(image(0, notes, make([]elf.Prog64, c.n)...)))
		data := append(image(0, notes, loads(c.n, at, size, c.step)...), bytes.Repeat([]byte{1}, int(size+c.step*uint64(c.n-1)))...)
		f, err := Open(write(t, data))
		if c.refused {
			require.ErrorContains(t, err, "parts of it are claimed twice", name)
			continue
		}
		require.NoError(t, err, name)
		read := 0
		require.NoError(t, f.VisitMemory(context.Background(), func(_ uint64, memory []byte) bool { read += len(memory); return true }))
		assert.Equal(t, c.n*size, read, name)
		require.NoError(t, f.Close())
	}
}

// TestMany opens files with as many program headers, or threads, as there may be. The time
// and memory that this takes are in proportion to the size of the file.
func TestMany(t *testing.T) {
	headers := image(0xffff, status(41, SIGSEGV), loads(maxSegments-1, 4096, 0, 0)...)
	filled := image(0xffff, nil, loads(500_000, 64, 8, 8)...)
	threads := image(0, bytes.Repeat(status(41, 0), 10_000))
	notes := image(0, bytes.Repeat(note(noteStatus, nil), 1_000_000))
	for name, c := range map[string]struct {
		data              []byte
		segments, threads int
	}{
		"1,048,576 headers": {headers, 0, 1}, "500,000 segments": {filled, 500_000, 0},
		"10,000 threads": {threads, 0, 10_000}, "1,000,000 empty notes": {notes, 0, 0},
	} {
		path := write(t, c.data)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := time.Now()
		f, err := Open(path)
		took := time.Since(begin)
		runtime.ReadMemStats(&after)
		require.NoError(t, err, name)
		assert.Len(t, f.Segments, c.segments, name)
		assert.Len(t, f.Threads, c.threads, name)
		allocated := after.TotalAlloc - before.TotalAlloc
		t.Logf("| %s | %.1f MB | %.2f s, %d MB allocated |", name, float64(len(c.data))/1e6, took.Seconds(), allocated>>20)
		assert.Less(t, took, 5*time.Second, name)
		assert.Less(t, allocated, uint64(10*len(c.data)+1<<20), name)
		require.NoError(t, f.Close())
	}
}
