package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"splitadd/internal/image/imagetest"
)

// forms are the ways in which FuzzRead passes its input to the reader: as it is, or as a part of
// an archive that is valid otherwise, so that all code is reached directly.
var forms = []string{"archive", "gzip", "layer", "zstd layer", "manifest", "index", "configuration", "data.tar"}

var (
	gzipWriter    = gzip.NewWriter(nil)
	zstdWriter, _ = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
)

// makeArchive returns data in one of the forms.
func makeArchive(t testing.TB, form string, data []byte) []byte {
	layer := imagetest.Tar(t, imagetest.Member{Name: "bin/app", Data: []byte("app")}, imagetest.Member{Name: "bin/.wh.gone"})
	save := func(config, manifest string, layer []byte) []byte {
		return imagetest.Tar(t, imagetest.Member{Name: "c", Data: []byte(config)}, imagetest.Member{Name: "l", Data: layer},
			imagetest.Member{Name: "k", Type: tar.TypeSymlink, Link: "l"}, imagetest.Member{Name: "manifest.json", Data: []byte(manifest)})
	}
	const manifest = `[{"Config":"c","RepoTags":["a:v1"],"Layers":["l","k"]}]`
	switch form {
	case "gzip":
		var b bytes.Buffer
		gzipWriter.Reset(&b)
		_, _ = gzipWriter.Write(data)
		_ = gzipWriter.Close()
		return b.Bytes()
	case "layer":
		return save("{}", manifest, data)
	case "zstd layer":
		return save("{}", manifest, zstdWriter.EncodeAll(data, nil))
	case "manifest":
		return save("{}", string(data), layer)
	case "index":
		return imagetest.Tar(t, imagetest.Member{Name: "oci-layout", Data: []byte("{}")}, imagetest.Member{Name: "index.json", Data: data})
	case "configuration":
		return save(string(data), manifest, layer)
	case "data.tar":
		member := func(name string, data []byte) string {
			return fmt.Sprintf("%-16s%-12d%-6d%-6d%-8d%-10d`\n%s%s", name, 0, 0, 0, 100644, len(data), data, strings.Repeat("\n", len(data)%2))
		}
		return []byte(arMagic + member("debian-binary", []byte("2.0\n")) + member("control.tar", nil) + member("data.tar", data))
	}
	return data
}

// FuzzRead reads archives from a file and as a stream. It must not panic, and must stay
// within the limits.
func FuzzRead(f *testing.F) {
	layer := imagetest.Tar(f, imagetest.Member{Name: "usr/", Type: tar.TypeDir}, imagetest.Member{Name: "usr/app", Data: []byte("app")},
		imagetest.Member{Name: "usr/link", Type: tar.TypeLink, Link: "usr/app"}, imagetest.Member{Name: "usr/.wh.gone"},
		imagetest.Member{Name: "opt/.wh..wh..opq"}, imagetest.Member{Name: strings.Repeat("long", 50), Data: []byte("app")})
	for i, form := range forms {
		data := layer
		switch form {
		case "manifest":
			data = []byte(`[{"Config":"c","RepoTags":["a:v1"],"Layers":["l","k","l"]},{"Config":"none","Layers":["none"]}]`)
		case "index":
			data = []byte(`{"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:` + strings.Repeat("0", 64) + `","platform":{"os":"linux","architecture":"arm64"}}]}`)
		case "configuration":
			data = []byte(`{"os":"linux","architecture":"arm64","rootfs":{"diff_ids":["sha256:` + strings.Repeat("0", 64) + `"]},"history":[{"created_by":"RUN"},{"created_by":"ENV","empty_layer":true},{"created_by":"COPY"}]}`)
		}
		f.Add(uint8(i), data)
		f.Add(uint8(0), makeArchive(f, form, data))
	}
	limits := Limits{
		Decompressed: Limit{1 << 20, 20}, Visited: Limit{1 << 18, 4}, Members: 1000, Names: 100_000, Manifest: 10_000, Manifests: 50, Depth: 2,
	}
	f.Fuzz(func(t *testing.T, form uint8, data []byte) {
		archive := makeArchive(t, forms[int(form)%len(forms)], data)
		visit := func(_ string, _ int64, content io.Reader) any {
			n, _ := io.Copy(io.Discard, content)
			return n
		}
		for _, stream := range []bool{false, true} {
			r := &reader{ctx: context.Background(), visit: visit, limits: limits}
			var images []Image
			var err error
			if stream {
				images, err = r.readArchive(bytes.NewReader(archive))
			} else {
				images, err = r.readTarFile(bytes.NewReader(archive))
			}
			errs := []error{err}
			for _, i := range images {
				errs = append(errs, i.Errors...)
			}
			for _, err := range errs {
				if err != nil {
					require.NotContains(t, err.Error(), "bug in splitadd")
				}
			}
			require.LessOrEqual(t, r.decompressed, limits.Decompressed.Base+limits.Decompressed.Ratio*r.bytesRead)
			require.LessOrEqual(t, r.visited, limits.Visited.Base+limits.Visited.Ratio*r.bytesRead)
			require.LessOrEqual(t, r.members, limits.Members+1)
			require.LessOrEqual(t, r.manifests, limits.Manifests+1)
		}
	})
}
