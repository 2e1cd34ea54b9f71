package patch_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/labtest"
	"splitadd/internal/patch"
)

// darwin builds the guest for macOS, which Go's linker signs ad hoc.
func darwin(t testing.TB) string {
	return labtest.Build(t, "..", "./victim/guest", []string{"GOOS=darwin"})
}

// TestSign changes a word in a page and back: the signature differs in one hash,
// and then is what Go's linker made it. So the hashes are made as the linker
// makes them.
func TestSign(t *testing.T) {
	thin, err := os.ReadFile(darwin(t))
	require.NoError(t, err)
	for name, before := range map[string][]byte{"thin": thin, "universal": labtest.Universal(thin)} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "guest")
			require.NoError(t, os.WriteFile(path, before, 0o700))
			offset := int64(len(before) - len(thin) + 0x8004)
			was := binary.LittleEndian.Uint32(before[offset:])

			changed := filepath.Join(dir, "changed")
			require.NoError(t, patch.Copy(path, changed, patch.Word{Offset: offset, Before: was, After: ^was}))
			after, err := os.ReadFile(changed)
			require.NoError(t, err)
			require.Len(t, after, len(before))
			var differs []int
			for i := range before {
				if before[i] != after[i] {
					differs = append(differs, i)
				}
			}
			require.Greater(t, len(differs), 4)
			assert.LessOrEqual(t, len(differs), 4+32)
			assert.EqualValues(t, offset, differs[0])
			assert.Less(t, differs[len(differs)-1]-differs[4], 32, "one hash")

			again := filepath.Join(dir, "again")
			require.NoError(t, patch.Copy(changed, again, patch.Word{Offset: offset, Before: ^was, After: was}))
			after, err = os.ReadFile(again)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(before, after))
		})
	}
}

// FuzzSign signs files whose signature is broken anywhere.
func FuzzSign(f *testing.F) {
	guest, err := os.ReadFile(darwin(f))
	require.NoError(f, err)
	begin := bytes.LastIndex(guest, []byte{0xfa, 0xde, 0x0c, 0xc0})
	require.Positive(f, begin)
	f.Add(guest[begin:][:256])
	before := binary.LittleEndian.Uint32(guest[0x8004:])
	dir := f.TempDir()
	path, out := filepath.Join(dir, "guest"), filepath.Join(dir, "out")
	f.Fuzz(func(t *testing.T, blob []byte) {
		data := append(bytes.Clone(guest[:begin]), blob...)
		if len(blob) < len(guest)-begin {
			data = append(data, guest[begin+len(blob):]...)
		}
		if err := os.WriteFile(path, data, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := patch.Copy(path, out, patch.Word{Offset: 0x8004, Before: before, After: 0}); err == nil {
			os.Remove(out)
		} else if _, err := os.Stat(out); err == nil {
			t.Error("left what was not finished")
		}
	})
}
