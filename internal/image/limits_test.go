package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/image"
	"splitadd/internal/image/imagetest"
)

// smallLimits returns limits that small archives exceed.
func smallLimits() image.Limits {
	return image.Limits{
		Decompressed: image.Limit{Base: 1 << 20, Ratio: 20}, Visited: image.Limit{Base: 1 << 16, Ratio: 4},
		Members: 100, Names: 10_000, Manifest: 2000, Manifests: 20, Depth: 2,
	}
}

// countBytes is a VisitFunc that returns the size of a file in bytes, or the error of reading
// it.
func countBytes(_ string, _ int64, content io.Reader) any {
	n, err := io.Copy(io.Discard, content)
	if err != nil {
		return err.Error()
	}
	return n
}

// readWithin reads an archive within smallLimits, from a file and from a stream.
func readWithin(t *testing.T, data []byte, visit image.VisitFunc) (file, stream []image.Image) {
	t.Helper()
	path := write(t, filepath.Join(t.TempDir(), "archive"), data)
	file, err := image.Read(context.Background(), path, visit, smallLimits())
	require.NoError(t, err)
	stream, err = image.ReadStream(context.Background(), bytes.NewReader(data), visit, smallLimits())
	require.NoError(t, err)
	return file, stream
}

// dockerSave returns a docker-save archive of an image with the given layers.
func dockerSave(t *testing.T, config string, layers ...[]byte) []byte {
	members := []imagetest.Member{{Name: "config.json", Data: []byte(config)}}
	var names []string
	for i, l := range layers {
		members = append(members, imagetest.Member{Name: fmt.Sprint(i), Data: l})
		names = append(names, fmt.Sprintf("%q", fmt.Sprint(i)))
	}
	manifest := `[{"Config":"config.json","Layers":[` + strings.Join(names, ",") + `]}]`
	return imagetest.Tar(t, append(members, imagetest.Member{Name: "manifest.json", Data: []byte(manifest)})...)
}

// gzipped returns data compressed with gzip.
func gzipped(t *testing.T, data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// TestBombs reads layers that decompress to much more than their size. The other layers, and
// the members before, are read.
func TestBombs(t *testing.T) {
	zeros := make([]byte, 8<<20)
	large := imagetest.Tar(t, imagetest.Member{Name: "a", Data: []byte("1")}, imagetest.Member{Name: "large", Data: zeros}, imagetest.Member{Name: "b", Data: []byte("22")})
	z, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	skip := func(path string, _ int64, content io.Reader) any {
		if path == "/large" {
			return nil
		}
		return countBytes(path, 0, content)
	}
	after := imagetest.Tar(t, imagetest.Member{Name: "after", Data: []byte("333")})
	for name, bomb := range map[string][]byte{"gzip": gzipped(t, large), "zstd": z.EncodeAll(large, nil), "twice": gzipped(t, z.EncodeAll(large, nil))} {
		file, stream := readWithin(t, dockerSave(t, "{}", after, bomb), skip)
		for _, images := range [][]image.Image{file, stream} {
			require.Len(t, images[0].Errors, 1, name)
			assert.ErrorIs(t, images[0].Errors[0], image.ErrExceeded, name)
			assert.ErrorContains(t, images[0].Errors[0], "layer 1: after /large: a decompression bomb: more than 256 KiB and 20 times the ", name)
			assert.Equal(t, []string{"/a: 1, ", "/after: 3, "}, fileLines(images[0]), name)
		}
	}
	// If a member that is read is too large, only the VisitFunc gets an error.
	medium := imagetest.Tar(t, imagetest.Member{Name: "a", Data: []byte("1")}, imagetest.Member{Name: "medium", Data: zeros[:200<<10]}, imagetest.Member{Name: "b", Data: []byte("22")})
	file, stream := readWithin(t, dockerSave(t, "{}", gzipped(t, medium)), countBytes)
	for _, images := range [][]image.Image{file, stream} {
		assert.Empty(t, images[0].Errors)
		require.Len(t, images[0].Files, 3)
		assert.Contains(t, images[0].Files[2].Found, "a decompression bomb: more than 16 KiB and 4 times the ")
	}
}

// TestSparse reads a sparse file of 1 TB that has almost no contents.
func TestSparse(t *testing.T) {
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "sparse"), []byte("text"))
	require.NoError(t, os.Truncate(path, 1<<40))
	program, err := exec.LookPath("tar")
	require.NoError(t, err)
	for _, format := range []string{"gnu", "pax"} {
		out, err := exec.Command(program, "-C", dir, "--format="+format, "-cSf", filepath.Join(dir, "a.tar"), "sparse").CombinedOutput()
		require.NoError(t, err, "%s", out)
		data, err := os.ReadFile(filepath.Join(dir, "a.tar"))
		require.NoError(t, err)
		file, stream := readWithin(t, data, countBytes)
		file2, stream2 := readWithin(t, dockerSave(t, "{}", data), countBytes)
		for _, images := range [][]image.Image{file, stream, file2, stream2} {
			require.Len(t, images[0].Files, 1)
			assert.Contains(t, images[0].Files[0].Found, "a decompression bomb", format)
		}
	}
}

// TestTooMany reads archives that exceed the other limits.
func TestTooMany(t *testing.T) {
	one := imagetest.Tar(t, imagetest.Member{Name: "a", Data: []byte("1")})
	var many, long []imagetest.Member
	for i := range 101 {
		many = append(many, imagetest.Member{Name: fmt.Sprint(i), Data: []byte("1")})
	}
	for i := range 11 {
		long = append(long, imagetest.Member{Name: strings.Repeat("n", 1000) + fmt.Sprint(i)})
	}
	for name, c := range map[string]struct {
		data []byte
		err  string
	}{
		"members":       {imagetest.Tar(t, many...), "more than 100 members: not read"},
		"names":         {imagetest.Tar(t, long...), "more than 10000 bytes of names: not read"},
		"configuration": {dockerSave(t, "{"+strings.Repeat(" ", 2000)+"}", one), "configuration config.json: "},
	} {
		file, stream := readWithin(t, c.data, countBytes)
		for _, images := range [][]image.Image{file, stream} {
			require.Len(t, images[0].Errors, 1, name)
			assert.ErrorContains(t, images[0].Errors[0], c.err, name)
			assert.NotZero(t, len(images[0].Files)+images[0].OtherFiles, name)
		}
	}
	layers := func(n int) []byte {
		names := strings.TrimSuffix(strings.Repeat(`"x",`, n), ",")
		return imagetest.Tar(t, imagetest.Member{Name: "c", Data: []byte("{}")}, imagetest.Member{Name: "x", Data: imagetest.Tar(t, many[:60]...)},
			imagetest.Member{Name: "manifest.json", Data: []byte(`[{"Config":"c","Layers":[` + names + `]}]`)})
	}
	_, stream := readWithin(t, layers(10), countBytes)
	require.Len(t, stream[0].Errors, 1)
	assert.ErrorContains(t, stream[0].Errors[0], "more than 400 members in all images: not read")
	_, err := image.ReadStream(context.Background(), bytes.NewReader(layers(30)), countBytes, smallLimits())
	require.ErrorContains(t, err, "more than 20 manifests and layers: not read")

	dir := t.TempDir()
	index := imagetest.Index(t, map[string]v1.Image{"linux/arm64": imagetest.Image(t, "linux/arm64")})
	for range 4 {
		index = imagetest.Nest(index)
	}
	imagetest.Layout(t, dir, index)
	_, err = image.Read(context.Background(), dir, countBytes, smallLimits())
	require.ErrorContains(t, err, "more than 2 levels of indexes: not read")
}

// TestLinks reads archives whose links lead in a circle, or out of them.
func TestLinks(t *testing.T) {
	data := imagetest.Tar(t, imagetest.Member{Name: "c", Data: []byte("{}")},
		imagetest.Member{Name: "l", Type: tar.TypeSymlink, Link: "m"}, imagetest.Member{Name: "m", Type: tar.TypeSymlink, Link: "l"},
		imagetest.Member{Name: "passwd", Type: tar.TypeSymlink, Link: "/etc/passwd"},
		imagetest.Member{Name: "manifest.json", Data: []byte(`[{"Config":"c","Layers":["l","passwd","../../etc/passwd"]}]`)})
	file, stream := readWithin(t, data, countBytes)
	for _, images := range [][]image.Image{file, stream} {
		require.Len(t, images[0].Errors, 3)
		for _, err := range images[0].Errors {
			assert.ErrorIs(t, err, os.ErrNotExist)
		}
	}
}

// TestVisitorPanics tests that a panic of the VisitFunc is an error about one layer, and that the
// other layers are read.
func TestVisitorPanics(t *testing.T) {
	layer := func(name string) []byte { return imagetest.Tar(t, imagetest.Member{Name: name, Data: []byte("1")}) }
	_, stream := readWithin(t, dockerSave(t, "{}", layer("bad"), layer("good")), func(path string, _ int64, _ io.Reader) any {
		if path == "/bad" {
			panic("of the visitor")
		}
		return "seen"
	})
	require.Len(t, stream[0].Errors, 1)
	assert.ErrorContains(t, stream[0].Errors[0], "layer 0: /bad: bug in splitadd: panic: of the visitor")
	assert.Len(t, stream[0].Files, 1)
}

// TestInterrupted tests that ReadStream returns soon after the context is done, for a stream
// without an end and for a stream that blocks.
func TestInterrupted(t *testing.T) {
	for name, more := range map[string]bool{"without an end": true, "stopped": false} {
		ctx, cancel := context.WithCancel(context.Background())
		from, to := io.Pipe()
		go func() {
			w := tar.NewWriter(to)
			_ = w.WriteHeader(&tar.Header{Name: "endless", Size: 1 << 40, Typeflag: tar.TypeReg})
			for zeros := make([]byte, 1<<16); more; {
				if _, err := w.Write(zeros); err != nil {
					return
				}
			}
		}()
		time.AfterFunc(100*time.Millisecond, cancel)
		begin := time.Now()
		images, err := image.ReadStream(ctx, from, countBytes, image.DefaultLimits)
		require.Less(t, time.Since(begin), 5*time.Second, name)
		from.Close()
		if err == nil {
			require.Len(t, images[0].Errors, 1, name)
			err = images[0].Errors[0]
		}
		require.ErrorIs(t, err, context.Canceled, name)
	}
}
