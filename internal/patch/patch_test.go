package patch_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/labtest"
	"splitadd/internal/patch"
	"splitadd/internal/window"
)

func TestPin(t *testing.T) {
	f := labtest.Open(t, "local")
	before, err := os.ReadFile(f.Path)
	require.NoError(t, err)
	finder, err := window.Open(f)
	require.NoError(t, err)
	functions, err := finder.Functions("splitadd/internal/victim.leaf65552")
	require.NoError(t, err)
	pc := functions[0].Windows[1].PC
	out := filepath.Join(t.TempDir(), "pinned")
	require.NoError(t, patch.Pin(f, pc, out))

	after, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Len(t, after, len(before))
	offset, err := f.Offset(pc, 4)
	require.NoError(t, err)
	require.Equal(t, []byte{0, 0, 0, 0x14}, after[offset:offset+4])
	copy(after[offset:], before[offset:offset+4])
	require.True(t, bytes.Equal(before, after), "something else was changed")
	info, err := os.Stat(out)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&0o100, "not executable")

	require.ErrorIs(t, patch.Pin(f, pc, out), os.ErrExist)
	out += "2"
	require.ErrorContains(t, patch.Pin(f, pc+2, out), "not an instruction boundary of splitadd/internal/victim.leaf65552")
	require.ErrorContains(t, patch.Pin(f, 0x10, out), "in no function")
	require.NoFileExists(t, out)
}

func TestCopyLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	require.NoError(t, os.WriteFile(in, []byte("contents"), 0o600))
	require.Error(t, patch.Copy(in, filepath.Join(dir, "out"), patch.Replacement{Offset: -1}))
	require.Error(t, patch.Copy(filepath.Join(dir, "none"), filepath.Join(dir, "out")))
	err := patch.Copy(in, filepath.Join(dir, "out"), patch.Replacement{Offset: 1, Before: 1})
	require.ErrorIs(t, err, patch.ErrChanged)
	require.EqualError(t, err, "word at offset 0x1: 65746e6f, not 00000001: the file has changed since it was read")
	require.NoFileExists(t, filepath.Join(dir, "out"))
}
