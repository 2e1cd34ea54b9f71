// Package image reads container images and archives. It returns the regular files in them
// with their contents, the layer that each is in, and the command that made the layer. It
// reads docker-save archives, OCI layouts and OCI archives, tar archives, and .deb and .apk
// packages. It unpacks nothing to disk, and reads each layer once, as a stream. Archives may
// be hostile, so the cost of reading one is bounded by its size.
//
// The types of manifests, indexes and configurations are those of go-containerregistry.
// Its readers of whole images are not used: they read files of any size into memory, and
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

// ErrExceeded is wrapped by the errors for what is larger than a limit.
var ErrExceeded = errors.New("not read")

// ErrFormat is wrapped by the error for what is not an image or an archive.
var ErrFormat = errors.New("neither an image nor an archive")

// A Visit looks at a regular file and returns what it found, or nil. The path begins with
// a slash. It is "" if there is one file only, compressed or as a stream. The size is what the archive claims, or -1. The content is valid until Visit returns,
// and need not be read. Visit also gets files that turn out to be hidden by other layers.
type Visit func(path string, size int64, content io.Reader) (found any)

// An Image is what a container of one image would see, or an archive that is not an
// image.
type Image struct {
	Name   string // its tag or its platform; "" for an archive that is not an image
	Files  []File // those in which Visit found something, sorted by path
	Others int    // the other regular files
	Errors []error
}

// A File is a regular file that no other layer hides.
type File struct {
	Path    string // as for Visit
	Layer   string // the digest of its layer, as "sha256:...", or "" if there are no layers
	Command string // that made the layer, or "" if the history does not have it
	Found   any    // what Visit returned
}

// Limits bound what reading one archive may cost.
type Limits struct {
	Unpacked Limit // bytes that come out of what is compressed
	Visited  Limit // bytes that Visit reads

	Members   int   // in all layers together
	Names     int64 // bytes of their names
	Manifest  int64 // bytes of a manifest, an index or a configuration; all may have 16 times that
	Manifests int   // of these files, and of layers in them
	Depth     int   // of indexes in indexes
}

// A Limit is a number of bytes that grows with the bytes read of the archive: Base, and
// Ratio times those. A single layer or file may have a quarter of the base.
type Limit struct{ Base, Ratio int64 }

// DefaultLimits are far from what real images have. Executables are packed to a fifth of
// their size at best. Gzip packs zeros to a thousandth.
var DefaultLimits = Limits{
	Unpacked:  Limit{1 << 30, 100},
	Visited:   Limit{256 << 20, 20},
	Members:   1 << 20,
	Names:     128 << 20,
	Manifest:  4 << 20,
	Manifests: 10_000,
	Depth:     4,
}

// A reader reads one archive.
type reader struct {
	ctx    context.Context
	visit  Visit
	limits Limits

	read, unpacked, stored, visited int64 // bytes; stored are those of members before they are unpacked

	members       int
	names         int64 // bytes
	manifests     int
	manifestBytes int64
	merged        int // members of layers, counted for each image
}

// Read reads the image or archive in a file, or the OCI layout in a folder. If the error
// is nil, there is at least one image, and errors about its parts are in it.
func Read(ctx context.Context, path string, visit Visit, limits Limits) ([]Image, error) {
	r := &reader{ctx: ctx, visit: visit, limits: limits}
	if IsLayout(path) {
		return r.images(&folder{r, path, map[string]*layer{}})
	}
	file, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if images, err := r.tarFile(file); images != nil || err != nil {
		return images, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	r.members, r.names = 0, 0
	return r.stream(file)
}

// ReadStream is like Read for a stream. It surveys all layers as they come, because the
// manifest may be the last file of the archive. When the context is done, it returns, even
// if a call of from.Read does not.
func ReadStream(ctx context.Context, from io.Reader, visit Visit, limits Limits) ([]Image, error) {
	r := &reader{ctx: ctx, visit: visit, limits: limits}
	ctx, cancel := context.WithCancel(ctx) // ends the reading ahead
	defer cancel()
	return r.stream(newReadAhead(ctx, from))
}

// image returns what a container of these layers would see.
func (r *reader) image(name string, layers []*layer, errs []error) Image {
	i := Image{Name: name, Errors: errs}
	for _, l := range layers {
		if r.merged += len(l.entries); r.merged > 4*r.limits.Members {
			i.Errors = append(i.Errors, fmt.Errorf("more than %d members in all images: %w", 4*r.limits.Members, ErrExceeded))
			return i
		}
	}
	for n, e := range visible(layers) {
		if e.found == nil {
			i.Others++
			continue
		}
		i.Files = append(i.Files, File{e.path, layers[n].digest, layers[n].command, e.found})
	}
	slices.SortFunc(i.Files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return i
}

// guard calls f, and turns a panic into an error. The libraries that read archives may have
// bugs that hostile archives reach.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("bug in splitadd: panic: %v", p)
		}
	}()
	return f()
}
