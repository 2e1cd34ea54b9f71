//go:build linux

package survey_test

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/budget"
	"splitadd/internal/objfile"
	"splitadd/internal/objfile/objtest"
	"splitadd/internal/pclntab"
	"splitadd/internal/survey"

	"splitadd/internal/lab/labtest"
)

// file writes a file, and surveys it.
func file(t *testing.T, data []byte) (*survey.Binary, error) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	b, err := survey.ScanFile(context.Background(), path, false, budget.Default)
	if err != nil {
		require.ErrorContains(t, err, path)
		require.NotErrorIs(t, err, objfile.ErrPanic)
	}
	return b, err
}

// TestUnreadable surveys Go binaries for arm64 that cannot be read. Each is an error that
// names the file, also in a folder, and is not counted among the other files.
func TestUnreadable(t *testing.T) {
	seeds := objtest.Seeds(t)
	for name, image := range seeds {
		for _, part := range []int{2, 3} {
			_, err := file(t, image.Data[:len(image.Data)/part])
			require.Error(t, err, "%s, cut off", name)
			require.NotErrorIs(t, err, survey.ErrNotArm64Go, "%s, cut off", name)
		}
		m := image.Clone()
		for field, value := range map[string]uint64{"tab.nfunc": 1 << 40, "module[1]": 8, "module[17]": 8, "tab.funcs": 1 << 50} {
			m := m.Clone()
			if name == "pie" && field[0] == 'm' {
				continue // relocated
			}
			m.Set(t, field, value)
			_, err := file(t, m.Data)
			require.ErrorIs(t, err, pclntab.ErrUnreadable, "%s, %s", name, field)
			require.NotErrorIs(t, err, survey.ErrNotArm64Go)
		}
		m.Set(t, "tab.magic", 0xfffffffb) // of go1.15, whose module data are others
		m.Set(t, "tab.nfunc", 10)
		if name != "pie" {
			m.Set(t, "module[1]", 8)
		}
		_, err := file(t, m.Data)
		require.NotErrorIs(t, err, survey.ErrNotArm64Go, name)
	}
}

// TestForeign surveys Go binaries for other architectures, and files that are not Go
// binaries.
func TestForeign(t *testing.T) {
	for _, c := range labtest.Few(t, 5, []struct{ os, arch string }{
		{"linux", "amd64"}, {"linux", "386"}, {"linux", "s390x"}, {"windows", "amd64"}, {"darwin", "amd64"},
	}) {
		path := guest(t, []string{"GOOS=" + c.os, "GOARCH=" + c.arch}, "-ldflags=-s -w")
		_, err := survey.ScanFile(context.Background(), path, false, budget.Default)
		var foreign survey.ForeignArchError
		require.ErrorAs(t, err, &foreign, "%s/%s", c.os, c.arch)
		require.ErrorIs(t, err, survey.ErrNotArm64Go)
		assert.Equal(t, c.arch, foreign.Arch)
		assert.EqualError(t, err, path+": Go binary for "+c.arch)
	}
	// A program for amd64 that Go has not linked, although it contains Go's marks.
	data, err := os.ReadFile(guest(t, []string{"GOARCH=amd64"}, "-ldflags=-s -w"))
	require.NoError(t, err)
	other := append(data[:4096:4096], "x\xff Go buildinf:"...)
	_, err = file(t, other)
	var foreign survey.ForeignArchError
	require.ErrorIs(t, err, survey.ErrNotArm64Go)
	require.NotErrorAs(t, err, &foreign)
	require.ErrorContains(t, err, "ELF for amd64")
}

// withDecoy puts a table of one function, and module data that point to it, into a
// binary at the given addresses. Pointed says whether a variable holds the address of
// the module data, as lastmoduledatap does.
func withDecoy(t *testing.T, m *objtest.Image, table, module uint64, pointed bool) []byte {
	entry := m.Get(t, "elf.entry")
	tab := binary.LittleEndian.AppendUint64(nil, 0x08040000_fffffff1)
	starts := []uint64{72, 80, 88, 96, 104}
	for _, w := range append([]uint64{1, 1, entry}, starts...) {
		tab = binary.LittleEndian.AppendUint64(tab, w)
	}
	tab = append(tab, make([]byte, 32)...)
	for _, w := range []uint32{0, 16, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2 << 24, 0, 0} {
		tab = binary.LittleEndian.AppendUint32(tab, w)
	}
	data := make([]byte, 360)
	word := func(i int, w uint64) { binary.LittleEndian.PutUint64(data[8*i:], w) }
	word(0, table)
	for i, start := range starts {
		word(1+3*i, table+start)
		word(2+3*i, 8)
		word(3+3*i, 8)
	}
	for i, w := range []uint64{table + 104, 2, 2, 0, entry, entry + 4, entry} {
		word(16+i, w)
	}
	if pointed {
		word(44, module)
	}
	// The new program headers come first.
	var loads []byte
	body := append(append([]byte{}, tab...), data...)
	phnum, at := int(m.Get(t, "elf.phnum")), int(m.Get(t, "elf.phoff"))
	for i, addr := range []uint64{table, module} {
		h := make([]byte, 56)
		off, size := len(m.Data), len(tab)
		if i == 1 {
			off, size = off+len(tab), len(data)
		}
		binary.LittleEndian.PutUint32(h, 1)
		binary.LittleEndian.PutUint32(h[4:], 6)
		binary.LittleEndian.PutUint64(h[8:], uint64(off))
		binary.LittleEndian.PutUint64(h[16:], addr)
		binary.LittleEndian.PutUint64(h[32:], uint64(size))
		loads = append(loads, h...)
	}
	loads = append(loads, m.Data[at:][:56*phnum]...)
	m = m.Clone()
	m.Data = append(append(m.Data, body...), loads...)
	m.Set(t, "elf.phoff", uint64(len(m.Data)-len(loads)))
	m.Set(t, "elf.phnum", uint64(phnum+2))
	return m.Data
}

// TestDecoy puts another function table before the one that the runtime uses. It
// must not hide the windows.
func TestDecoy(t *testing.T) {
	m := objtest.Seeds(t)["elf"]
	honest, err := file(t, m.Data)
	require.NoError(t, err)
	want := countOf(honest)
	require.NotEmpty(t, want)
	for name, at := range map[string][2]uint64{"before": {0x3000, 0x8138}, "behind": {0x7000_0000, 0x7000_1000}} {
		b, err := file(t, withDecoy(t, m, at[0], at[1], false))
		require.NoError(t, err, name)
		assert.Equal(t, want, countOf(b), name)
		_, err = file(t, withDecoy(t, m, at[0], at[1], true))
		require.ErrorIs(t, err, pclntab.ErrUnreadable, name)
		require.ErrorContains(t, err, "nothing shows which of several function tables the runtime uses", name)
	}
	// Bytes that look like headers, and that nothing points to.
	b, err := file(t, objtest.WithLoads(t, m, objtest.FalseHeaders(1<<16), 1))
	require.NoError(t, err)
	assert.Equal(t, want, countOf(b))
}

// TestOverlap maps two segments to one address. A loader uses the last.
func TestOverlap(t *testing.T) {
	m := objtest.Seeds(t)["elf"]
	text := m.Get(t, "ph[2].vaddr")
	data := objtest.WithLoads(t, m, make([]byte, 4096), 1)
	n := binary.LittleEndian.Uint64(data[32:])
	binary.LittleEndian.PutUint64(data[n+16:], text)
	_, err := file(t, data)
	require.ErrorContains(t, err, "overlap")
	require.NotErrorIs(t, err, survey.ErrNotArm64Go)
}
