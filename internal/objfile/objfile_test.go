package objfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/labtest"
	"splitadd/internal/objfile"
	"splitadd/internal/objfile/objtest"
)

func TestBytes(t *testing.T) {
	f := labtest.Open(t, "local")
	require.Equal(t, "ELF", f.Format)
	data, err := os.ReadFile(f.Path)
	require.NoError(t, err)
	for _, s := range f.Segments {
		offset, err := f.Offset(s.Addr, uint64(len(s.Data)))
		require.NoError(t, err)
		require.Equal(t, s.Offset, offset)
		got, err := f.Bytes(s.Addr+8, 16)
		require.NoError(t, err)
		require.Equal(t, data[offset+8:offset+24], got)
	}
	last := f.Segments[len(f.Segments)-1]
	end := last.Addr + uint64(len(last.Data))
	for _, r := range [][2]uint64{{end - 4, 8}, {end, 1}, {0, 8}, {^uint64(0), 8}, {last.Addr, ^uint64(0)}} {
		_, err := f.Bytes(r[0], r[1])
		require.ErrorContains(t, err, "is in no segment", "%#x", r)
		_, err = f.Offset(r[0], r[1])
		require.Error(t, err)
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(contents string) string {
		path := filepath.Join(dir, "file")
		require.NoError(t, os.WriteFile(path, []byte(contents), 0o600))
		return path
	}
	for _, path := range []string{dir, write("")} {
		_, err := objfile.Open(path)
		require.ErrorIs(t, err, objfile.ErrFormat, path)
	}
	_, err := objfile.Open(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	for _, contents := range []string{"#!/bin/sh\n", "\x7fELF", "\x7fELF\x02\x01\x01"} {
		_, err := objfile.Open(write(contents))
		require.ErrorIs(t, err, objfile.ErrFormat, "%q", contents)
	}
	self, err := os.Executable()
	require.NoError(t, err)
	if _, err := objfile.Open(self); err != nil { // the binary of this test, unless it is for arm64
		require.ErrorIs(t, err, objfile.ErrFormat)
	}
}

// TestCutOff truncates an executable within its headers, and before the end of each segment.
func TestCutOff(t *testing.T) {
	data, err := os.ReadFile(labtest.Guest(t, "local"))
	require.NoError(t, err)
	whole, err := objfile.Parse("whole", data)
	require.NoError(t, err)
	for n := range 1024 {
		_, err := objfile.Parse("cut", data[:n])
		require.Error(t, err, "%d bytes", n)
	}
	for _, s := range whole.Segments {
		_, err := objfile.Parse("cut", data[:s.Offset+int64(len(s.Data))-1])
		require.Error(t, err)
	}
}

// FuzzParse parses real files with changed fields of the headers, and with changed first
// bytes.
func FuzzParse(f *testing.F) {
	seeds := objtest.Seeds(f)
	const headers = 1024
	for which, name := range objtest.Names {
		f.Add(seeds[name].Data[:headers], uint8(which), []byte(nil))
	}
	objtest.AddSeedEdits(f, seeds, func(which uint8, edits []byte) { f.Add([]byte(nil), which, edits) })
	f.Fuzz(func(t *testing.T, head []byte, which uint8, edits []byte) {
		changed, _ := seeds[objtest.Names[int(which)%len(objtest.Names)]].ApplyEdits(edits)
		if len(head) > 0 {
			changed = append(append([]byte(nil), head...), changed[headers:]...)
		}
		size := len(changed)
		objtest.RunBounded(t, func() {
			file, err := objfile.Parse("fuzzed", changed)
			if err != nil {
				require.NotErrorIs(t, err, objfile.ErrPanic)
				return
			}
			require.LessOrEqual(t, file.Budget.Usage().LargestShare(), 1.0)
			sum := 0
			for _, s := range file.Segments {
				sum += len(s.Data)
				if len(s.Data) == 0 {
					continue
				}
				got, err := file.Bytes(s.Addr, uint64(len(s.Data)))
				require.NoError(t, err)
				require.Same(t, &s.Data[0], &got[0])
				offset, err := file.Offset(s.Addr, uint64(len(s.Data)))
				require.NoError(t, err)
				require.LessOrEqual(t, offset+int64(len(s.Data)), int64(size))
			}
			require.LessOrEqual(t, sum, 2*size)
		})
	})
}
