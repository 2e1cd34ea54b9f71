package patch_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/labtest"
	"splitadd/internal/objfile/objtest"
	"splitadd/internal/patch"
)

// darwinGuest builds the guest for macOS, which Go's linker signs ad hoc.
func darwinGuest(t testing.TB) string {
	return labtest.Build(t, "..", "./victim/guest", []string{"GOOS=darwin"})
}

// TestSign changes a word and then changes it back. After the first change the signature must
// differ in one hash. After the second it must equal that of Go's linker, which shows that
// the hashes are computed as the linker computes them.
func TestSign(t *testing.T) {
	thin, err := os.ReadFile(darwinGuest(t))
	require.NoError(t, err)
	for name, before := range map[string][]byte{"thin": thin, "universal": labtest.UniversalBinary(thin)} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "guest")
			require.NoError(t, os.WriteFile(path, before, 0o700))
			offset := int64(len(before) - len(thin) + 0x8004)
			was := binary.LittleEndian.Uint32(before[offset:])

			changed := filepath.Join(dir, "changed")
			require.NoError(t, patch.Copy(path, changed, patch.Replacement{Offset: offset, Before: was, After: ^was}))
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
			require.NoError(t, patch.Copy(changed, again, patch.Replacement{Offset: offset, Before: ^was, After: was}))
			after, err = os.ReadFile(again)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(before, after))
		})
	}
}

// FuzzSign signs files with broken signatures and wrong headers.
func FuzzSign(f *testing.F) {
	images := []*objtest.Image{}
	seeds := objtest.Seeds(f)
	for _, name := range []string{"macho", "chained", "elf", "pe"} {
		images = append(images, seeds[name])
	}
	const code = 0x8004
	guest := images[0].Data
	begin := bytes.LastIndex(guest, []byte{0xfa, 0xde, 0x0c, 0xc0})
	require.Positive(f, begin)
	f.Add(guest[begin:][:256], uint8(0), []byte(nil))
	for field := range images[0].Fields {
		if strings.HasPrefix(field, "cmd[") || strings.HasPrefix(field, "macho.") {
			f.Add([]byte(nil), uint8(0), images[0].Edit(field, 0xffff))
			f.Add([]byte(nil), uint8(0), images[0].Edit(field, 1<<62))
		}
	}
	dir := f.TempDir()
	path, out := filepath.Join(dir, "guest"), filepath.Join(dir, "out")
	f.Fuzz(func(t *testing.T, blob []byte, which uint8, edits []byte) {
		data, _ := images[int(which)%len(images)].ApplyEdits(edits)
		if int(which)%len(images) == 0 {
			data = append(data[:begin:begin], append(bytes.Clone(blob), data[min(begin+len(blob), len(data)):]...)...)
		}
		before := binary.LittleEndian.Uint32(data[code:])
		require.NoError(t, os.WriteFile(path, data, 0o700))
		objtest.RunBounded(t, func() {
			if err := patch.Copy(path, out, patch.Replacement{Offset: code, Before: before, After: ^before}); err == nil {
				after, err := os.ReadFile(out)
				require.NoError(t, err)
				require.Len(t, after, len(data))
				require.Equal(t, ^before, binary.LittleEndian.Uint32(after[code:]))
				require.NoError(t, os.Remove(out))
			} else if _, err := os.Stat(out); err == nil {
				t.Error("Copy left a file after an error")
			}
		})
	})
}
