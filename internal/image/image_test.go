package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/image"
	"splitadd/internal/image/imagetest"
)

// contents is a VisitFunc that returns the text of each file that does not begin with "#".
func contents(_ string, _ int64, content io.Reader) any {
	data, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	if bytes.HasPrefix(data, []byte("#")) {
		return nil
	}
	return string(data)
}

// read reads an image or an archive as a file and as a stream, and requires that the results
// are equal.
func read(t *testing.T, path string) []image.Image {
	t.Helper()
	images, err := image.Read(context.Background(), path, contents, image.DefaultLimits)
	require.NoError(t, err, path)
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		file, err := os.Open(path)
		require.NoError(t, err)
		defer file.Close()
		streamed, err := image.ReadStream(context.Background(), file, contents, image.DefaultLimits)
		require.NoError(t, err)
		assert.Equal(t, images, streamed, path)
	}
	return images
}

// fileLines returns a line for each file of an image: its path, contents and command.
func fileLines(i image.Image) (lines []string) {
	for _, f := range i.Files {
		lines = append(lines, fmt.Sprintf("%s: %v, %s", f.Path, f.Found, f.Command))
	}
	return lines
}

func write(t *testing.T, path string, data []byte) string {
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

// layers are those of an image in which each way to hide a file occurs.
func layers(t *testing.T) []imagetest.Layer {
	return []imagetest.Layer{
		{Command: "ADD base /", Tar: imagetest.Tar(t,
			imagetest.Member{Name: "bin/", Type: tar.TypeDir},
			imagetest.Member{Name: "./bin/app", Data: []byte("old app")},
			imagetest.Member{Name: "bin/kept", Data: []byte("kept")},
			imagetest.Member{Name: "bin/gone", Data: []byte("gone")},
			imagetest.Member{Name: "bin/link", Type: tar.TypeLink, Link: "bin/gone"},
			imagetest.Member{Name: "bin/soft", Type: tar.TypeSymlink, Link: "app"},
			imagetest.Member{Name: "opt/a/x", Data: []byte("x")},
			imagetest.Member{Name: "srv/y", Data: []byte("y")},
			imagetest.Member{Name: "etc/conf", Data: []byte("#")},
			imagetest.Member{Name: "var", Data: []byte("a file")},
		)},
		{Command: "COPY app /bin", Zstd: true, Tar: imagetest.Tar(t,
			imagetest.Member{Name: "bin/app", Data: []byte("new app")},
			imagetest.Member{Name: "bin/.wh.gone"},
			imagetest.Member{Name: "opt/z", Data: []byte("z")},
			imagetest.Member{Name: "opt/.wh..wh..opq"},
			imagetest.Member{Name: "srv", Type: tar.TypeSymlink, Link: "bin"},
			imagetest.Member{Name: "var/log", Data: []byte("log")},
		)},
	}
}

var want = []string{
	"/bin/app: new app, COPY app /bin", "/bin/kept: kept, ADD base /", "/bin/link: gone, ADD base /",
	"/opt/z: z, COPY app /bin", "/var/log: log, COPY app /bin",
}

// TestForms reads one image in every form.
func TestForms(t *testing.T) {
	dir := t.TempDir()
	made := imagetest.Image(t, "linux/arm64", layers(t)...)
	index := imagetest.Nest(imagetest.Index(t, map[string]v1.Image{"linux/arm64": made}))
	imagetest.Layout(t, filepath.Join(dir, "layout"), index)
	imagetest.DockerSave(t, filepath.Join(dir, "crane.tar"), map[string]v1.Image{"example.com/app:v1": made})
	imagetest.OldDockerSave(t, filepath.Join(dir, "old.tar"), made, "app:v1", false)
	imagetest.OldDockerSave(t, filepath.Join(dir, "first.tar"), made, "app:v1", true)
	archive := imagetest.TarFolder(t, filepath.Join(dir, "layout"))
	write(t, filepath.Join(dir, "oci.tar"), archive)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(archive)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	write(t, filepath.Join(dir, "oci.tar.gz"), packed.Bytes())

	digests, err := made.Manifest()
	require.NoError(t, err)
	config, err := made.ConfigFile()
	require.NoError(t, err)
	for name, title := range map[string]string{
		"layout": "example.com/app:v1 linux/arm64", "oci.tar": "example.com/app:v1 linux/arm64", "oci.tar.gz": "example.com/app:v1 linux/arm64",
		"crane.tar": "example.com/app:v1 linux/arm64", "old.tar": "app:v1 linux/arm64", "first.tar": "app:v1 linux/arm64",
	} {
		images := read(t, filepath.Join(dir, name))
		require.Len(t, images, 1, name)
		assert.Empty(t, images[0].Errors, name)
		assert.Equal(t, title, images[0].Name, name)
		assert.Equal(t, want, fileLines(images[0]), name)
		assert.Equal(t, 1, images[0].OtherFiles, name)
		layer := digests.Layers[0].Digest
		if strings.HasPrefix(title, "app") { // its layers are not compressed
			layer = config.RootFS.DiffIDs[0]
		}
		assert.Equal(t, layer.String(), images[0].Files[1].Layer, name)
	}
}

// TestPlatforms reads what there is for arm64 only, if there is anything for arm64.
func TestPlatforms(t *testing.T) {
	one := func(text string) imagetest.Layer {
		return imagetest.Layer{Tar: imagetest.Tar(t, imagetest.Member{Name: "app", Data: []byte(text)}), Command: "RUN " + text}
	}
	both := map[string]v1.Image{"linux/arm64": imagetest.Image(t, "linux/arm64", one("arm64")), "linux/amd64": imagetest.Image(t, "linux/amd64", one("amd64"))}
	dir := t.TempDir()
	imagetest.Layout(t, dir, imagetest.Nest(imagetest.Index(t, both)))
	images := read(t, dir)
	require.Len(t, images, 1)
	assert.Equal(t, []string{"/app: arm64, RUN arm64"}, fileLines(images[0]))
	images = read(t, write(t, filepath.Join(t.TempDir(), "oci.tar"), imagetest.TarFolder(t, dir)))
	require.Len(t, images, 1)

	// docker save writes the index of all platforms and the image of one.
	digest, err := both["linux/arm64"].Digest()
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(dir, "blobs", "sha256", digest.Hex)))
	images = read(t, dir)
	require.Len(t, images, 1)
	assert.Equal(t, "example.com/app:v1 linux/arm64", images[0].Name)
	require.Len(t, images[0].Errors, 1)
	assert.ErrorIs(t, images[0].Errors[0], fs.ErrNotExist)
	assert.ErrorContains(t, images[0].Errors[0], "the index has this image, but the archive does not")

	two := filepath.Join(t.TempDir(), "two.tar")
	imagetest.DockerSave(t, two, map[string]v1.Image{"one:v1": both["linux/amd64"], "two:v1": imagetest.Image(t, "linux/386", one("386"))})
	images = read(t, two)
	require.Len(t, images, 2, "none is for arm64")
}

// TestDamaged reads images of which a part is missing or another.
func TestDamaged(t *testing.T) {
	made := imagetest.Image(t, "linux/arm64", layers(t)...)
	manifest, err := made.Manifest()
	require.NoError(t, err)
	first := filepath.Join("blobs", "sha256", manifest.Layers[0].Digest.Hex)
	for name, c := range map[string]struct {
		change func(t *testing.T, dir string)
		err    string
		files  int
	}{
		"no layer": {func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, first))) },
			"layer " + manifest.Layers[0].Digest.String() + ": open ", 3},
		"another layer": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, first)))
			write(t, filepath.Join(dir, first), imagetest.Tar(t, imagetest.Member{Name: "other", Data: []byte("other")}))
		}, "wrong contents: their digest is sha256:", 4},
		"cut off": {func(t *testing.T, dir string) {
			require.NoError(t, os.Truncate(filepath.Join(dir, first), 60))
		}, "unexpected EOF", 3},
		"not a layer": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, first)))
			write(t, filepath.Join(dir, first), []byte("text"))
		}, "not a tar archive", 3},
		"no configuration": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "blobs", "sha256", manifest.Config.Digest.Hex)))
		}, "configuration: open ", 5},
	} {
		dir := t.TempDir()
		imagetest.Layout(t, dir, imagetest.Index(t, map[string]v1.Image{"linux/arm64": made}))
		c.change(t, dir)
		images := read(t, dir)
		require.Len(t, images, 1, name)
		require.Len(t, images[0].Errors, 1, name)
		assert.ErrorContains(t, images[0].Errors[0], c.err, name)
		assert.Len(t, images[0].Files, c.files, name)
	}
}

// TestArchives reads archives that are not images.
func TestArchives(t *testing.T) {
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	require.NoError(t, os.MkdirAll(filepath.Join(tree, "usr", "bin"), 0o755))
	write(t, filepath.Join(tree, "usr", "bin", "app"), []byte("app"))
	write(t, filepath.Join(tree, "usr", "bin", ".wh.app"), []byte("a name like any"))
	write(t, filepath.Join(tree, "conf"), []byte("#"))
	plain := imagetest.TarFolder(t, tree)
	var gz, zst bytes.Buffer
	g := gzip.NewWriter(&gz)
	z, err := zstd.NewWriter(&zst)
	require.NoError(t, err)
	for _, w := range []io.WriteCloser{g, z} {
		_, err := w.Write(plain)
		require.NoError(t, err)
		require.NoError(t, w.Close())
	}
	files := map[string]string{
		"plain": write(t, filepath.Join(dir, "a.tar"), plain),
		"gzip":  write(t, filepath.Join(dir, "a.tar.gz"), gz.Bytes()),
		"zstd":  write(t, filepath.Join(dir, "a.tar.zst"), zst.Bytes()),
		"apk":   write(t, filepath.Join(dir, "a.apk"), apk(t, plain)),
	}
	run := func(name string, args ...string) {
		path, err := exec.LookPath(name)
		require.NoError(t, err)
		out, err := exec.Command(path, args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	run("xz", "-k", files["plain"])
	files["xz"] = files["plain"] + ".xz"
	require.NoError(t, os.Mkdir(filepath.Join(tree, "DEBIAN"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(tree, "DEBIAN", "control"), []byte("Package: a\nVersion: 1\nArchitecture: arm64\nMaintainer: a <a@example.com>\nDescription: a\n"), 0o600))
	for _, packing := range []string{"none", "gzip", "xz", "zstd"} {
		name := "deb, " + packing
		files[name] = filepath.Join(dir, packing+".deb")
		run("dpkg-deb", "--root-owner-group", "-Z"+packing, "--build", tree, files[name])
	}
	for name, path := range files {
		images := read(t, path)
		require.Len(t, images, 1, name)
		assert.Empty(t, images[0].Errors, name)
		assert.Equal(t, []string{"/usr/bin/.wh.app: a name like any, ", "/usr/bin/app: app, "}, fileLines(images[0]), name)
		assert.Equal(t, map[bool]int{true: 3, false: 1}[name == "apk"], images[0].OtherFiles, name)
		assert.Empty(t, images[0].Name)
	}
}

// apk returns a package as Alpine's abuild makes it: three streams of gzip, each a tar
// archive of which only the last has an end.
func apk(t *testing.T, data []byte) []byte {
	var b bytes.Buffer
	const end = 1024
	for _, name := range []string{".SIGN.RSA.key.pub", ".PKGINFO"} {
		part := imagetest.Tar(t, imagetest.Member{Name: name, Data: []byte("#")})
		w := gzip.NewWriter(&b)
		_, err := w.Write(part[:len(part)-end])
		require.NoError(t, err)
		require.NoError(t, w.Close())
	}
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// TestSingleFile reads one compressed file.
func TestSingleFile(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte("app"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	images := read(t, write(t, filepath.Join(t.TempDir(), "app.gz"), b.Bytes()))
	require.Len(t, images, 1)
	assert.Equal(t, []image.File{{Found: "app"}}, images[0].Files)
	_, err = image.ReadStream(context.Background(), strings.NewReader("#"), contents, image.DefaultLimits)
	require.ErrorIs(t, err, image.ErrFormat)
}

// TestVisible compares images of random layers with their layers unpacked.
func TestVisible(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 1))
		var tars [][]byte
		var made []imagetest.Layer
		for n := range 1 + random.IntN(4) {
			tars = append(tars, imagetest.Tar(t, tarOptions(random, n)...))
			made = append(made, imagetest.Layer{Tar: tars[n]})
		}
		path := filepath.Join(t.TempDir(), "image.tar")
		imagetest.OldDockerSave(t, path, imagetest.Image(t, "linux/arm64", made...), "a:v1", false)
		got := map[string]string{}
		for _, f := range read(t, path)[0].Files {
			got[f.Path] = f.Found.(string)
		}
		dir := t.TempDir()
		imagetest.Unpack(t, dir, tars...)
		unpacked := map[string]string{}
		require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				data, err := os.ReadFile(path)
				unpacked[strings.TrimPrefix(path, dir)] = string(data)
				return err
			}
			return err
		}))
		require.Equal(t, unpacked, got, "seed %d", seed)
	}
}

// tarOptions returns random members of a layer, with few names.
func tarOptions(random *rand.Rand, layer int) (list []imagetest.Member) {
	path := func() string {
		parts := make([]string, 1+random.IntN(3))
		for i := range parts {
			parts[i] = string(rune('a' + random.IntN(3)))
		}
		return strings.Join(parts, "/")
	}
	for range random.IntN(8) {
		m := imagetest.Member{Name: path()}
		dir, base := filepath.Split(m.Name)
		switch random.IntN(8) {
		case 0:
			m.Type, m.Name = tar.TypeDir, m.Name+"/"
		case 1:
			m.Type, m.Link = tar.TypeSymlink, "nowhere"
		case 2:
			m.Name = dir + ".wh." + base
		case 3:
			m.Name = m.Name + "/.wh..wh..opq"
		case 4:
			if len(list) > 0 && list[len(list)-1].Data != nil && list[len(list)-1].Name != m.Name && !strings.HasPrefix(list[len(list)-1].Name, m.Name+"/") && !strings.HasPrefix(m.Name, list[len(list)-1].Name+"/") {
				m.Type, m.Link = tar.TypeLink, list[len(list)-1].Name
				break
			}
			fallthrough
		default:
			m.Data = []byte(fmt.Sprint(layer, len(list)))
		}
		list = append(list, m)
	}
	return list
}
