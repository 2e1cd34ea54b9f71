package core

import (
	"bytes"
	"context"
	"debug/elf"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sparse makes a core file of 10 GB with data in one page only.
func sparse(tb testing.TB) string {
	const size, at = 10 << 30, 7<<30 + 4096
	data := image(0, status(1, SIGSEGV), elf.Prog64{Vaddr: 0x40_0000_0000, Off: 4096, Filesz: size})
	path := write(tb, data)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(tb, err)
	_, err = f.WriteAt(bytes.Repeat([]byte{0xe8}, 4096), at)
	require.NoError(tb, err)
	require.NoError(tb, f.Truncate(4096+size))
	require.NoError(tb, f.Close())
	return path
}

// TestSparse checks that holes are not read.
func TestSparse(t *testing.T) {
	f, err := Open(sparse(t))
	require.NoError(t, err)
	defer f.Close()
	read, found := 0, false
	require.NoError(t, f.VisitMemory(context.Background(), func(addr uint64, memory []byte) bool {
		read += len(memory)
		if i := bytes.IndexByte(memory, 0xe8); i >= 0 && !found {
			found = true
			assert.EqualValues(t, uint64(0x40_0000_0000+7<<30), addr+uint64(i))
		}
		return true
	}))
	assert.True(t, found)
	assert.Less(t, read, 4*readSize)
}

func BenchmarkSparse(b *testing.B) {
	path := sparse(b)
	for range b.N {
		f, err := Open(path)
		require.NoError(b, err)
		require.NoError(b, f.VisitMemory(context.Background(), func(uint64, []byte) bool { return true }))
		require.NoError(b, f.Close())
	}
}
