// Package image reads container images and archives. It calls a function for each regular
// file in them, and returns what that found, the layer that the file is in, and the command
// that made the layer. It reads docker-save archives, OCI layouts and OCI archives, tar
// archives, and .deb and .apk packages. It reads each layer once, as a stream, and writes
// nothing to disk. Archives may be hostile, so the cost of reading one is bounded by its size.
//
// The types of manifests, indexes and configurations are those of go-containerregistry. Its
// readers of whole images are not used, because they read files of any size into memory and
// follow links in a circle.
package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

// ErrExceeded is wrapped by the errors for an archive, or a part of one, that exceeds a limit.
var ErrExceeded = errors.New("not read")

// ErrFormat is wrapped by the error for a file that is not an image or an archive.
var ErrFormat = errors.New("neither an image nor an archive")

// A VisitFunc examines a regular file and returns what it found, or nil. The path begins with a
// slash. It is "" if the input is a single file, which is compressed or a stream. The size in
// bytes is what the archive claims, or -1 if it is not known. The content is valid until the
// function returns, and need not be read. The function is also called for files that later
// turn out to be hidden by other layers.
type VisitFunc func(path string, size int64, content io.Reader) (found any)

// An Image is the files that a container of one image would have, or the files of an archive
// that is not an image.
type Image struct {
	Name       string // its tag or its platform; "" for an archive that is not an image
	Files      []File // for which the VisitFunc returned a result, sorted by path
	OtherFiles int    // the number of other regular files
	Errors     []error
}

// A File is a regular file that no other layer hides.
type File struct {
	Path    string // as for VisitFunc
	Layer   string // the digest of its layer, as "sha256:...", or "" if there are no layers
	Command string // the command that made the layer, or "" if the history does not have it
	Found   any    // what the VisitFunc returned
}

// Limits bound what reading one archive may cost.
type Limits struct {
	Decompressed Limit // bytes that decompression returns
	Visited      Limit // bytes that the VisitFunc reads

	Members   int   // members of all layers together
	Names     int64 // bytes of the names of members
	Manifest  int64 // bytes of a manifest, index or configuration; all together may have 16 times as many
	Manifests int   // manifests, indexes, configurations, and layers that they list
	Depth     int   // levels of indexes in indexes
}

// A Limit is a number of bytes that depends on how many bytes of the archive were read: Base,
// plus Ratio times that number. For a single layer or file it is a quarter of Base, plus Ratio
// times the bytes read for it.
type Limit struct{ Base, Ratio int64 }

// DefaultLimits are far above what real images need. Executables are compressed to a fifth of
// their size at best. Gzip compresses zeros to a thousandth.
var DefaultLimits = Limits{
	Decompressed: Limit{1 << 30, 100},
	Visited:      Limit{256 << 20, 20},
	Members:      1 << 20,
	Names:        128 << 20,
	Manifest:     4 << 20,
	Manifests:    10_000,
	Depth:        4,
}

// A reader reads one archive.
type reader struct {
	ctx    context.Context
	visit  VisitFunc
	limits Limits

	bytesRead, decompressed, stored, visited int64 // bytes; stored is that of members before decompression

	members       int
	names         int64 // bytes
	manifests     int
	manifestBytes int64
	mergedMembers int // members of the layers of all images; those of a shared layer count for each image
}

// Read reads the image or archive in a file, or the OCI layout in a folder. If the error is nil,
// there is at least one image. Errors about parts of an image are in its Errors.
func Read(ctx context.Context, path string, visit VisitFunc, limits Limits) ([]Image, error) {
	r := &reader{ctx: ctx, visit: visit, limits: limits}
	if IsLayout(path) {
		return r.readImages(&folder{r, path, map[string]*layer{}})
	}
	file, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if images, err := r.readTarFile(file); images != nil || err != nil {
		return images, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	r.members, r.names = 0, 0
	return r.readArchive(file)
}

// ReadStream is like Read for a stream. It visits the files of all layers as they come, because
// the manifest may be the last file of the archive. When the context is done, ReadStream
// returns, even if a call of from.Read does not.
func ReadStream(ctx context.Context, from io.Reader, visit VisitFunc, limits Limits) ([]Image, error) {
	r := &reader{ctx: ctx, visit: visit, limits: limits}
	ctx, cancel := context.WithCancel(ctx) // cancel ends the goroutine of readAhead
	defer cancel()
	return r.readArchive(newReadAhead(ctx, from))
}

// image returns the image with these layers, of which the first is the lowest.
func (r *reader) image(name string, layers []*layer, errs []error) Image {
	i := Image{Name: name, Errors: errs}
	for _, l := range layers {
		if r.mergedMembers += len(l.entries); r.mergedMembers > 4*r.limits.Members {
			i.Errors = append(i.Errors, fmt.Errorf("more than %d members in all images: %w", 4*r.limits.Members, ErrExceeded))
			return i
		}
	}
	for n, e := range visible(layers) {
		if e.found == nil {
			i.OtherFiles++
			continue
		}
		i.Files = append(i.Files, File{e.path, layers[n].digest, layers[n].command, e.found})
	}
	slices.SortFunc(i.Files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return i
}

// guard calls f, and turns a panic into an error. Hostile archives may trigger bugs in the
// libraries that read them.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("bug in splitadd: panic: %v", p)
		}
	}()
	return f()
}
