package core

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/objfile/objtest"
)

// image makes a core file of notes and loads. If phnum is 0, the header has the right number
// of program headers. If it is 0xffff, section 0 has the number.
func image(phnum uint16, notes []byte, loads ...elf.Prog64) []byte {
	h := elf.Header64{
		Type: uint16(elf.ET_CORE), Machine: uint16(elf.EM_AARCH64), Version: 1,
		Phoff: 64, Phentsize: 56, Phnum: phnum,
	}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	if phnum == 0 {
		h.Phnum = uint16(len(loads) + 1)
	}
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) }
	at := uint64(64 + 56*(len(loads)+1))
	if phnum == 0xffff {
		h.Shoff = at + uint64(len(notes))
	}
	put(h)
	put(elf.Prog64{Type: uint32(elf.PT_NOTE), Off: at, Filesz: uint64(len(notes))})
	for _, l := range loads {
		l.Type = uint32(elf.PT_LOAD)
		put(l)
	}
	b.Write(notes)
	if phnum == 0xffff {
		put(elf.Section64{Info: uint32(len(loads) + 1)})
	}
	return b.Bytes()
}

// note makes a note.
func note(kind uint32, desc []byte) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, []uint32{5, uint32(len(desc)), kind})
	b.WriteString("CORE\x00\x00\x00\x00")
	b.Write(desc)
	b.Write(make([]byte, -len(desc)&3))
	return b.Bytes()
}

// status makes the note of a thread whose registers are 0x100, 0x101 and so on.
func status(id, signal int) []byte {
	desc := make([]byte, 392)
	binary.LittleEndian.PutUint16(desc[12:], uint16(signal))
	binary.LittleEndian.PutUint32(desc[32:], uint32(id))
	for i := range 34 {
		binary.LittleEndian.PutUint64(desc[112+8*i:], uint64(0x100+i))
	}
	return note(noteStatus, desc)
}

// aux makes the note of an auxiliary vector.
func aux(pairs ...uint64) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, pairs)
	return note(noteAux, b.Bytes())
}

func write(t testing.TB, data []byte) string {
	path := filepath.Join(t.TempDir(), "core")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

func TestOpen(t *testing.T) {
	notes := append(append(status(41, SIGSEGV), aux(3, 0x40, auxEntry, 0x87654000, 0, 0)...), status(42, 0)...)
	for _, phnum := range []uint16{0, 0xffff} { // the number of segments in the header, and in section 0
		data := image(phnum, notes, elf.Prog64{Vaddr: 0x9000, Filesz: 16}, elf.Prog64{Vaddr: 0x4000, Filesz: 24})
		at := uint64(len(data))
		data = image(phnum, notes, elf.Prog64{Vaddr: 0x9000, Off: at, Filesz: 16}, elf.Prog64{Vaddr: 0x4000, Off: at + 16, Filesz: 24})
		for i := range 5 {
			data = binary.LittleEndian.AppendUint64(data, uint64(0x1110+i))
		}
		f, err := Open(write(t, data))
		require.NoError(t, err)
		defer f.Close()
		require.Len(t, f.Threads, 2)
		assert.False(t, f.CutOff)
		assert.Equal(t, []int{41, SIGSEGV}, []int{f.Threads[0].ID, f.Threads[0].Signal})
		assert.Equal(t, []uint64{0x100, 0x11e, 0x11f, 0x120}, []uint64{f.Threads[0].X[0], f.Threads[0].X[30], f.Threads[0].SP, f.Threads[0].PC})
		assert.Equal(t, "SIGSEGV", SignalName(f.Threads[0].Signal))
		assert.EqualValues(t, 0x87654000, f.Entry)
		for addr, want := range map[uint64]uint64{0x9000: 0x1110, 0x9008: 0x1111, 0x4000: 0x1112, 0x4010: 0x1114} {
			word, ok := f.Word(addr)
			assert.True(t, ok && word == want, "%#x: %#x", addr, word)
		}
		for _, addr := range []uint64{0x3fff, 0x4011, 0x4018, 0x9009, 0, 1<<64 - 4} {
			_, ok := f.Word(addr)
			assert.False(t, ok, "%#x", addr)
		}
		seen := map[uint64]int{}
		require.NoError(t, f.VisitMemory(context.Background(), func(addr uint64, memory []byte) bool {
			seen[addr] = len(memory)
			return true
		}))
		assert.Equal(t, map[uint64]int{0x4000: 24, 0x9000: 16}, seen)
	}
}

// TestCutOff cuts a file off at every byte, and reads what is left.
func TestCutOff(t *testing.T) {
	notes := status(41, SIGSEGV)
	at := uint64(len(image(0, notes, elf.Prog64{})))
	data := append(image(0, notes, elf.Prog64{Vaddr: 0x4000, Off: at, Filesz: 64}), make([]byte, 64)...)
	for n := range data {
		f, err := Open(write(t, data[:n]))
		if err != nil {
			continue
		}
		got := 0
		assert.True(t, f.CutOff)
		assert.NoError(t, f.VisitMemory(context.Background(), func(_ uint64, memory []byte) bool { got += len(memory); return true }))
		assert.Equal(t, max(0, n-int(at))&^7, got)
		assert.NoError(t, f.Close())
	}
}

func TestRefused(t *testing.T) {
	x86 := image(0, nil)
	binary.LittleEndian.PutUint16(x86[18:], uint16(elf.EM_X86_64))
	program := image(0, nil)
	program[16] = byte(elf.ET_EXEC)
	many := image(0xffff, nil)
	binary.LittleEndian.PutUint32(many[len(many)-64+44:], 1<<30)
	for name, c := range map[string]struct {
		data []byte
		err  error
	}{
		"nothing": {nil, ErrFormat}, "text": {[]byte("goroutine 1 [running]:\n"), ErrFormat}, "a program": {program, ErrFormat},
		"amd64": {x86, ErrArch}, "a billion segments": {many, nil},
	} {
		_, err := Open(write(t, c.data))
		require.Error(t, err, name)
		if c.err != nil {
			assert.ErrorIs(t, err, c.err, name)
		}
	}
	_, err := Open(t.TempDir())
	assert.ErrorIs(t, err, ErrFormat)
	assert.True(t, IsCore(x86))
	assert.False(t, IsCore(program))
}

// seeds returns small core files.
func seeds(tb testing.TB) (images []*objtest.Image) {
	notes := append(append(status(41, SIGSEGV), aux(auxEntry, 0x1000, 0, 0)...), status(42, 0)...)
	for _, phnum := range []uint16{0, 0xffff} {
		var loads []elf.Prog64
		at := uint64(len(image(phnum, notes, make([]elf.Prog64, 3)...)))
		for i, addr := range []uint64{0x9000, 0x4000, 0x6004} {
			loads = append(loads, elf.Prog64{Vaddr: addr, Off: at + 256*uint64(i), Filesz: 256, Memsz: 4096})
		}
		images = append(images, objtest.New(tb, append(image(phnum, notes, loads...), bytes.Repeat([]byte{1}, 768)...)))
	}
	return images
}

// FuzzOpen opens arbitrary files, and small core files with changed fields.
func FuzzOpen(f *testing.F) {
	notes := append(status(1, SIGSEGV), aux(auxEntry, 0x1000, 0, 0)...)
	f.Add(image(0, notes, elf.Prog64{Vaddr: 0x4000, Off: 64, Filesz: 256}), uint8(0), []byte(nil))
	f.Add(image(0xffff, notes, elf.Prog64{Vaddr: 0x4001, Off: 65, Filesz: 1 << 40}), uint8(0), []byte(nil))
	images := seeds(f)
	for _, field := range []string{"elf.phnum", "elf.phoff", "elf.shoff", "ph[1].vaddr", "ph[2].filesz", "ph[0].filesz", "note[0.1].descsz"} {
		for _, value := range []uint64{0, 0xffff, 0x8fff, 1 << 62} {
			f.Add([]byte(nil), uint8(0), images[0].Edit(field, value))
		}
	}
	f.Add([]byte(nil), uint8(1), images[1].Edit("sh[0].info", 1<<20))
	path := filepath.Join(f.TempDir(), "core")
	f.Fuzz(func(t *testing.T, data []byte, which uint8, edits []byte) {
		if len(data) == 0 {
			data, _ = images[int(which)%len(images)].ApplyEdits(edits)
		}
		require.NoError(t, os.WriteFile(path, data, 0o600))
		objtest.RunBounded(t, func() { readCore(t, path, len(data)) })
	})
}

// readCore opens a core file of size bytes, and compares what is read of it with the size.
func readCore(t *testing.T, path string, size int) {
	file, err := Open(path)
	if err != nil {
		return
	}
	defer file.Close()
	claimed := uint64(0)
	for _, s := range file.Segments {
		claimed += s.Size
		file.Word(s.Addr)
		file.Word(s.Addr + s.Size - 8)
	}
	require.LessOrEqual(t, claimed, uint64(size))
	require.LessOrEqual(t, len(file.Threads)*statusSize, size)
	read := 0
	require.NoError(t, file.VisitMemory(context.Background(), func(addr uint64, memory []byte) bool {
		if addr%8 != 0 || len(memory)%8 != 0 || len(memory) == 0 {
			t.Errorf("%d bytes at %#x", len(memory), addr)
		}
		read += len(memory)
		return true
	}))
	require.LessOrEqual(t, read, size)
}
