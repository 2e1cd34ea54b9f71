package triage

import (
	"context"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/labtest"
)

// slack is how many times longer than on an idle machine a test may take.
const slack = 4

// bound fails if f takes more than the given seconds, or if the heap grows by more than the
// given megabytes.
func bound(t *testing.T, what string, seconds float64, megabytes uint64, f func()) {
	t.Helper()
	runtime.GC()
	var before, during runtime.MemStats
	runtime.ReadMemStats(&before)
	peak := uint64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				runtime.ReadMemStats(&during)
				peak = max(peak, during.HeapInuse)
			}
		}
	}()
	begin := time.Now()
	f()
	took := time.Since(begin).Seconds()
	close(stop)
	<-stopped
	used := (peak - min(peak, before.HeapInuse)) >> 20
	t.Logf("%s: %.2f s, %d MB", what, took, used)
	assert.Less(t, took, seconds, "%s: seconds", what)
	assert.Less(t, used, megabytes, "%s: megabytes", what)
}

const (
	coreStack = 0x4000000000 // the address of the memory in the core files of a coreMaker
	hole      = 0            // for memory that is not written
)

// A coreMaker makes core files. All threads have the same pc and link register.
type coreMaker struct {
	entry    uint64 // the entry point of the program
	pc, link uint64
}

// write writes a core file with a number of program headers and threads. All threads have the
// same stack of size bytes, which is full of the word.
func (c coreMaker) write(t *testing.T, headers uint32, threads, size int, word uint64) string {
	path := filepath.Join(t.TempDir(), "core")
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	put := func(v any) { require.NoError(t, binary.Write(f, binary.LittleEndian, v)) }
	h := elf.Header64{Type: uint16(elf.ET_CORE), Machine: uint16(elf.EM_AARCH64), Version: 1, Phoff: 4096, Phentsize: 56, Phnum: 0xffff, Shoff: 64}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	put(h)
	put(elf.Section64{Info: headers})
	_, err = f.Seek(4096, 0)
	require.NoError(t, err)
	notes := 12 + 8 + 392
	at := uint64(4096 + 56*uint64(headers))
	put(elf.Prog64{Type: uint32(elf.PT_NOTE), Off: at, Filesz: uint64(threads*notes) + 12 + 8 + 16})
	memory := at + uint64(threads*notes) + 36
	memory += -memory & 7
	put(elf.Prog64{Type: uint32(elf.PT_LOAD), Off: memory, Vaddr: coreStack, Filesz: uint64(size)})
	require.NoError(t, f.Truncate(int64(memory)+int64(size)))
	_, err = f.Seek(int64(at), 0)
	require.NoError(t, err)
	aux := make([]byte, 36)
	copy(aux, []byte{5, 0, 0, 0, 16, 0, 0, 0, 6, 0, 0, 0, 'C', 'O', 'R', 'E', 0, 0, 0, 0, 9})
	binary.LittleEndian.PutUint64(aux[28:], c.entry)
	put(aux)
	data := make([]byte, 0, threads*notes)
	for i := range threads {
		note := make([]byte, notes)
		copy(note, []byte{5, 0, 0, 0, 0x88, 1, 0, 0, 1, 0, 0, 0, 'C', 'O', 'R', 'E'})
		d := note[20:]
		binary.LittleEndian.PutUint32(d[32:], uint32(i))
		binary.LittleEndian.PutUint64(d[112+8*30:], c.link)
		binary.LittleEndian.PutUint64(d[112+8*31:], coreStack)
		binary.LittleEndian.PutUint64(d[112+8*32:], c.pc)
		data = append(data, note...)
	}
	put(data)
	if word == hole {
		return path
	}
	_, err = f.Seek(int64(memory), 0)
	require.NoError(t, err)
	words := make([]uint64, size/8)
	for i := range words {
		words[i] = word
	}
	put(words)
	return path
}

// TestCoreBounds has core files that may take long, with a binary. They have many threads with
// stacks full of code, many words that are the pc of a window, or more program headers than a
// process has.
func TestCoreBounds(t *testing.T) {
	b, err := Open(context.Background(), labtest.Guest(t, "go1.23.4"))
	require.NoError(t, err)
	defer b.Close()
	require.NotEmpty(t, b.Windows)
	scan := b.funcs["runtime.scanstack"][0].Entry + 64
	program, err := elf.Open(b.Path)
	require.NoError(t, err)
	defer program.Close()
	m := coreMaker{entry: program.Entry, pc: scan, link: scan}
	for !b.isCall(m.link - 4) {
		m.link += 4
	}
	// Linux has 65,530 mappings for a process by default: more than a million are refused.
	const refused = "8,000,000 program headers"
	for name, path := range map[string]string{
		"10,000 threads on a stack of code":  m.write(t, 2, 10000, 64<<10, scan),
		"10,000 threads on a stack of zeros": m.write(t, 2, 10000, 64<<10, hole),
		"2 GB of holes":                      m.write(t, 2, 10, 2<<30, hole),
		"50,000 threads":                     m.write(t, 2, 50000, 64<<10, 1),
		"64 MB of a window's address":        m.write(t, 2, 10, 64<<20, b.Windows[0].PC),
		"1,000,000 program headers":          m.write(t, 1000000, 10, 4096, 0),
		refused:                              m.write(t, 8000000, 10, 4096, 0),
	} {
		bound(t, name, slack*2, 200, func() {
			v, err := Core(context.Background(), path, b)
			if name == refused {
				require.ErrorContains(t, err, "8000000 segments", name)
				require.ErrorContains(t, err, "want at most 1048576", name)
				return
			}
			require.NoError(t, err, name)
			assert.False(t, v.Answer.Split(), "%s", name)
			t.Log(v.Answer, v.Reason)
		})
	}
}
