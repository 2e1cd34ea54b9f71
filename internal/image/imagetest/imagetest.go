// Package imagetest makes container images and archives for tests, with
// go-containerregistry's writers, and unpacks their layers, as an oracle.
package imagetest

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"
)

// A Member is a member of a tar archive: a file, if the type is 0.
type Member struct {
	Name string
	Data []byte
	Type byte   // as in a tar header
	Link string // the target of a link
}

// Tar returns a tar archive.
func Tar(tb testing.TB, members ...Member) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := tar.Header{Name: m.Name, Size: int64(len(m.Data)), Mode: 0o755, Typeflag: m.Type, Linkname: m.Link}
		if m.Type == 0 {
			h.Typeflag = tar.TypeReg
		}
		require.NoError(tb, w.WriteHeader(&h))
		_, err := w.Write(m.Data)
		require.NoError(tb, err)
	}
	require.NoError(tb, w.Close())
	return b.Bytes()
}

// A Layer is a layer of an image to make.
type Layer struct {
	Tar     []byte
	Command string // that made it
	Zstd    bool   // compress it with zstd, and not with gzip
}

// Image returns an image for a platform, such as "linux/arm64". Its history has a command
// that made no layer as well.
func Image(tb testing.TB, platform string, layers ...Layer) v1.Image {
	config, err := empty.Image.ConfigFile()
	require.NoError(tb, err)
	config = config.DeepCopy()
	config.OS, config.Architecture, _ = strings.Cut(platform, "/")
	image, err := mutate.ConfigFile(empty.Image, config)
	require.NoError(tb, err)
	add := []mutate.Addendum{{History: v1.History{CreatedBy: "ENV A=B", EmptyLayer: true}}}
	for _, l := range layers {
		options := []tarball.LayerOption{tarball.WithMediaType(types.OCILayer)}
		if l.Zstd {
			options = []tarball.LayerOption{tarball.WithMediaType(types.OCILayerZStd), tarball.WithCompression(compression.ZStd)}
		}
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(l.Tar)), nil }, options...)
		require.NoError(tb, err)
		add = append(add, mutate.Addendum{Layer: layer, History: v1.History{CreatedBy: l.Command}})
	}
	image, err = mutate.Append(image, add...)
	require.NoError(tb, err)
	return image
}

// DockerSave writes images as "crane pull" does, the name of each as a tag: an archive with
// compressed layers, and the manifest at the end.
func DockerSave(tb testing.TB, path string, images map[string]v1.Image) {
	tagged := map[name.Tag]v1.Image{}
	for tag, image := range images {
		t, err := name.NewTag(tag)
		require.NoError(tb, err)
		tagged[t] = image
	}
	require.NoError(tb, tarball.MultiWriteToFile(path, tagged))
}

// OldDockerSave writes an image as docker before version 25 did: its layers are not
// compressed, each in a folder of its own. The manifest comes first or last.
func OldDockerSave(tb testing.TB, path string, image v1.Image, tag string, first bool) {
	config, err := image.RawConfigFile()
	require.NoError(tb, err)
	layers, err := image.Layers()
	require.NoError(tb, err)
	members := []Member{{Name: "config.json", Data: config}}
	var names []string
	for _, l := range layers {
		from, err := l.Uncompressed()
		require.NoError(tb, err)
		data, err := io.ReadAll(from)
		require.NoError(tb, err)
		id, err := l.DiffID()
		require.NoError(tb, err)
		dir := id.Hex + "x"
		members = append(members, Member{Name: dir + "/", Type: tar.TypeDir}, Member{Name: dir + "/VERSION", Data: []byte("1.0")},
			Member{Name: dir + "/json", Data: []byte("{}")}, Member{Name: id.Hex + "/layer.tar", Data: data},
			Member{Name: dir + "/layer.tar", Type: tar.TypeSymlink, Link: "../" + id.Hex + "/layer.tar"})
		names = append(names, `"`+dir+`/layer.tar"`)
	}
	manifest := Member{Name: "manifest.json", Data: []byte(`[{"Config":"config.json","RepoTags":["` + tag + `"],"Layers":[` + strings.Join(names, ",") + `]}]`)}
	if first {
		members = append([]Member{manifest}, members...)
	} else {
		members = append(members, manifest)
	}
	require.NoError(tb, os.WriteFile(path, Tar(tb, members...), 0o600))
}

// Layout writes an index of images as an OCI layout to a folder.
func Layout(tb testing.TB, dir string, index v1.ImageIndex) {
	_, err := layout.Write(dir, index)
	require.NoError(tb, err)
}

// Index returns an index of images by platform.
func Index(tb testing.TB, images map[string]v1.Image) v1.ImageIndex {
	index := v1.ImageIndex(empty.Index)
	for platform, image := range images {
		os, arch, _ := strings.Cut(platform, "/")
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: os, Architecture: arch}}})
	}
	return index
}

// Nest returns an index whose only manifest is an index, as BuildKit writes it.
func Nest(index v1.ImageIndex) v1.ImageIndex {
	return mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: index, Descriptor: v1.Descriptor{
		Annotations: map[string]string{"io.containerd.image.name": "example.com/app:v1"},
	}})
}

// TarFolder returns a tar archive of the files in a folder.
func TarFolder(tb testing.TB, dir string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	require.NoError(tb, w.AddFS(os.DirFS(dir)))
	require.NoError(tb, w.Close())
	return b.Bytes()
}

// Unpack unpacks layers in their order to a folder, as a container's file system.
func Unpack(tb testing.TB, dir string, layers ...[]byte) {
	for _, l := range layers {
		var above []Member // what the layer itself has
		members := tar.NewReader(bytes.NewReader(l))
		for {
			h, err := members.Next()
			if err == io.EOF {
				break
			}
			require.NoError(tb, err)
			parent, base := filepath.Split(filepath.Join(dir, h.Name))
			switch deleted, is := strings.CutPrefix(base, ".wh."); {
			case base == ".wh..wh..opq":
				if _, err := os.Lstat(filepath.Clean(parent)); err == nil {
					require.NoError(tb, os.RemoveAll(filepath.Clean(parent)))
					require.NoError(tb, os.MkdirAll(parent, 0o700))
				}
			case is: // nothing is deleted below what is not a folder
				if err := os.RemoveAll(filepath.Join(parent, deleted)); !errors.Is(err, syscall.ENOTDIR) {
					require.NoError(tb, err)
				}
			default:
				data, err := io.ReadAll(members)
				require.NoError(tb, err)
				above = append(above, Member{Name: h.Name, Data: data, Type: h.Typeflag, Link: h.Linkname})
			}
		}
		for _, m := range above {
			put(tb, dir, m)
		}
	}
}

// put unpacks one member.
func put(tb testing.TB, dir string, m Member) {
	path := filepath.Join(dir, m.Name)
	for up := filepath.Dir(path); len(up) > len(dir); up = filepath.Dir(up) {
		if info, err := os.Lstat(up); err == nil && !info.IsDir() {
			require.NoError(tb, os.Remove(up))
		}
	}
	require.NoError(tb, os.MkdirAll(filepath.Dir(path), 0o700))
	if info, err := os.Lstat(path); err == nil && (m.Type != tar.TypeDir || !info.IsDir()) {
		require.NoError(tb, os.RemoveAll(path))
	}
	switch m.Type {
	case tar.TypeDir:
		require.NoError(tb, os.MkdirAll(path, 0o700))
	case tar.TypeLink:
		require.NoError(tb, os.Link(filepath.Join(dir, m.Link), path))
	case tar.TypeSymlink:
		require.NoError(tb, os.Symlink(m.Link, path))
	default:
		require.NoError(tb, os.WriteFile(path, m.Data, 0o700))
	}
}
