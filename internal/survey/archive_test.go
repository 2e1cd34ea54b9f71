package survey

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/image"
	"splitadd/internal/image/imagetest"
	"splitadd/internal/lab/labtest"
)

// told says of each path what its survey says, without the path.
type told map[string]string

func (w told) add(path, shown string, r Result) {
	switch {
	case r.Err == nil:
		w[path] = r.Binary.Go + strings.Join(r.Binary.Kinds(), ",")
	case errors.Is(r.Err, ErrNotArm64Go):
		w["others"] += "x"
	default:
		w[path] = strings.ReplaceAll(r.Err.Error(), shown, path)
	}
}

// tree surveys the files in a folder.
func tree(t *testing.T, dir string) told {
	w := told{}
	paths, err := ListFiles(dir, func(err error) { t.Error(err) })
	require.NoError(t, err)
	require.NoError(t, ScanAll(context.Background(), paths, false, func(r Result) error {
		w.add(strings.TrimPrefix(r.Path, dir), r.Path, r)
		return nil
	}))
	return w
}

// foreignGuest builds a Go binary for another architecture.
func foreignGuest(t *testing.T) string {
	return labtest.Build(t, "../..", "./internal/victim/guest", []string{"GOARCH=amd64"})
}

// TestArchiveAsUnpacked surveys an image in every form, and its files unpacked: the results
// are the same.
func TestArchiveAsUnpacked(t *testing.T) {
	file := func(path string) []byte {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		return data
	}
	old, now := file(labtest.Guest(t, "go1.23.4")), file(labtest.Guest(t, "go1.27.4"))
	foreign := file(foreignGuest(t))
	layers := []imagetest.Layer{
		{Command: "COPY old /", Tar: imagetest.Tar(t,
			imagetest.Member{Name: "usr/bin/app", Data: old}, imagetest.Member{Name: "usr/bin/same", Type: tar.TypeLink, Link: "usr/bin/app"},
			imagetest.Member{Name: "usr/bin/cut", Data: old[:len(old)/2]}, imagetest.Member{Name: "usr/bin/gone", Data: old},
			imagetest.Member{Name: "etc/conf", Data: []byte("text")}, imagetest.Member{Name: "etc/empty"},
			imagetest.Member{Name: "lib/other.so", Data: append([]byte("\x7fELF"), make([]byte, 100)...)})},
		{Command: "COPY now /", Zstd: true, Tar: imagetest.Tar(t,
			imagetest.Member{Name: "usr/bin/app", Data: now}, imagetest.Member{Name: "usr/bin/.wh.gone"},
			imagetest.Member{Name: "opt/tool", Data: foreign})},
	}
	dir := t.TempDir()
	imagetest.Unpack(t, filepath.Join(dir, "tree"), layers[0].Tar, layers[1].Tar)
	want := tree(t, filepath.Join(dir, "tree"))
	require.Len(t, want, 4)
	require.Equal(t, "xxxx", want["others"])
	require.Contains(t, want["/usr/bin/cut"], "out of file bounds")

	made := imagetest.Image(t, "linux/arm64", layers...)
	imagetest.Layout(t, filepath.Join(dir, "layout"), imagetest.Index(t, map[string]v1.Image{"linux/arm64": made}))
	imagetest.DockerSave(t, filepath.Join(dir, "save.tar"), map[string]v1.Image{"example.com/app:v1": made})
	imagetest.OldDockerSave(t, filepath.Join(dir, "old.tar"), made, "app:v1", false)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plain.tar"), imagetest.TarFolder(t, filepath.Join(dir, "tree")), 0o600))
	for _, name := range []string{"layout", "save.tar", "old.tar", "plain.tar", "-"} {
		path, stdin := filepath.Join(dir, name), io.Reader(nil)
		if name == Stdin {
			path, stdin = name, bytes.NewReader(file(filepath.Join(dir, "save.tar")))
		}
		require.True(t, IsArchive(path), name)
		got, command := told{}, map[string]string{}
		others, err := ScanArchive(context.Background(), path, stdin, false, func(r Result) error {
			archive, inside, _ := strings.Cut(r.Path, ": ")
			archive, _, _ = strings.Cut(archive, " (")
			got.add(inside, archive+": "+inside, r)
			if r.Err == nil {
				command[inside] = r.Binary.Place.Command
				assert.Equal(t, name != "plain.tar", r.Binary.Place.Layer != "", name)
				assert.Equal(t, r.Path, r.Binary.Name(), name)
			}
			return nil
		})
		require.NoError(t, err, name)
		got["others"] += strings.Repeat("x", others)
		assert.Equal(t, want, got, name)
		if name != "plain.tar" {
			assert.Equal(t, map[string]string{"/usr/bin/app": "COPY now /", "/usr/bin/same": "COPY old /"}, command, name)
		}
	}
}

// TestTooLarge surveys executables that are larger than the limit.
func TestTooLarge(t *testing.T) {
	guest, err := os.ReadFile(labtest.Guest(t, "local"))
	require.NoError(t, err)
	foreign, err := os.ReadFile(foreignGuest(t))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		data []byte
		most int
		err  error
	}{
		"Go for arm64":              {guest, 4096, ErrTooLarge},
		"Go for another":            {foreign, 4096, ErrNotArm64Go},
		"of the size of the limit":  {guest, len(guest), nil},
		"larger by a byte":          {guest, len(guest) - 1, ErrTooLarge},
		"for arm64, and not Go":     {append(guest[:4096:4096], make([]byte, 1<<20)...), 4096, ErrNotArm64Go},
		"smaller than the claim":    {guest, 1 << 30, nil},
		"build information is late": {append(append(guest[:4096:4096], make([]byte, 3<<20)...), guest...), 1 << 21, ErrTooLarge},
	} {
		v := newVisitor(context.Background(), "a.tar", false, int64(c.most))
		found := v.visit("/app", int64(len(c.data)), bytes.NewReader(c.data)).(*found)
		require.NoError(t, v.group.Wait())
		if c.err == nil {
			require.NoError(t, found.err, name)
			continue
		}
		require.ErrorIs(t, found.err, c.err, name)
		assert.ErrorContains(t, found.err, "a.tar: /app: ", name)
	}
}

// TestArchiveErrors surveys what cannot be read.
func TestArchiveErrors(t *testing.T) {
	none := func(Result) error { t.Error("a result"); return nil }
	_, err := ScanArchive(context.Background(), Stdin, strings.NewReader("text"), false, none)
	require.ErrorIs(t, err, image.ErrFormat)
	require.ErrorContains(t, err, "-: ")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = ScanArchive(ctx, Stdin, bytes.NewReader(imagetest.Tar(t)), false, none)
	require.ErrorIs(t, err, context.Canceled)
	assert.False(t, IsArchive(os.Args[0]))
	assert.False(t, IsArchive(t.TempDir()))
	assert.False(t, IsArchive(filepath.Join(t.TempDir(), "none")))
}
