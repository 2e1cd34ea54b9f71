package image

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// A store gives access to the files of an image by name: manifests, configurations, layers.
type store interface {
	// manifest returns the contents of a manifest, index or configuration. If it does not
	// exist, the error wraps fs.ErrNotExist.
	manifest(name string) ([]byte, error)
	// layer returns a layer. It reads each layer once, and returns the same pointer for the
	// same name.
	layer(name string) *layer
}

// Files at the root of an OCI layout, and of a docker-save archive.
const (
	layoutFile   = "oci-layout"
	indexFile    = "index.json"
	manifestFile = "manifest.json"
)

// IsLayout reports whether a folder is an OCI layout.
func IsLayout(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, layoutFile))
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, indexFile))
	}
	return err == nil
}

// openRegular opens a regular file for reading. Any other file is an error. It does not wait
// for the writer of a pipe.
func openRegular(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", path)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// countManifest counts a manifest, or a layer that a manifest lists, and returns an error at
// the limit.
func (r *reader) countManifest() error {
	if r.manifests++; r.manifests > r.limits.Manifests {
		return fmt.Errorf("more than %d manifests and layers: %w", r.limits.Manifests, ErrExceeded)
	}
	return nil
}

// maxManifestRatio times Limits.Manifest is the limit for all manifests together.
const maxManifestRatio = 16

// readManifest returns the whole contents of a manifest.
func (r *reader) readManifest(from io.Reader) ([]byte, error) {
	if err := r.countManifest(); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(from, r.limits.Manifest+1))
	r.manifestBytes += int64(len(data))
	switch {
	case err != nil:
		return nil, err
	case int64(len(data)) > r.limits.Manifest:
		return nil, fmt.Errorf("a manifest of more than %d bytes: %w", r.limits.Manifest, ErrExceeded)
	case r.manifestBytes > maxManifestRatio*r.limits.Manifest:
		return nil, fmt.Errorf("more than %d bytes of manifests: %w", maxManifestRatio*r.limits.Manifest, ErrExceeded)
	}
	return data, nil
}

// A folder is an OCI layout.
type folder struct {
	*reader
	root   string
	layers map[string]*layer
}

func (f *folder) manifest(name string) ([]byte, error) {
	file, err := openRegular(filepath.Join(f.root, filepath.FromSlash(memberName(name))))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return f.readManifest(archiveReader{f.reader, file})
}

func (f *folder) layer(name string) *layer {
	if l := f.layers[name]; l != nil {
		return l
	}
	l := &layer{}
	file, err := openRegular(filepath.Join(f.root, filepath.FromSlash(memberName(name))))
	if err != nil {
		l.err = err
	} else {
		defer file.Close()
		l = f.reader.readLayer(archiveReader{f.reader, file})
	}
	f.layers[name] = l
	return l
}

// A tarFile is a tar archive without compression, in a file that can be read at offsets.
type tarFile struct {
	*reader
	file   randomAccess
	spans  map[string]span
	links  map[string]string
	layers map[string]*layer
}

// A randomAccess is an open file.
type randomAccess interface {
	io.ReadSeeker
	io.ReaderAt
}

// A span is the place of a member's contents in the archive, in bytes.
type span struct{ offset, size int64 }

// readTarFile returns the images in a tar archive without compression. It returns nil if the
// file is not one, or if it is not an image, so that it has to be read as a stream.
func (r *reader) readTarFile(file randomAccess) (images []Image, err error) {
	head := make([]byte, headSize)
	n, err := file.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if !isTar(head[:n]) {
		return nil, nil
	}
	t := &tarFile{r, file, map[string]span{}, map[string]string{}, map[string]*layer{}}
	if err := guard(t.index); err != nil || !isImage(t.spans) {
		return nil, nil // readArchive finds the same error
	}
	r.members, r.names = 0, 0
	return r.readImages(t)
}

// isImage reports whether an archive with files of these names is an image.
func isImage[T any](names map[string]T) bool {
	_, layout := names[layoutFile]
	_, index := names[indexFile]
	_, docker := names[manifestFile]
	return layout && index || docker
}

// index sets t.spans and t.links. The tar reader reads whole blocks, so after Next the offset
// of the file is that of the member's contents.
func (t *tarFile) index() error {
	for members := tar.NewReader(t.file); ; {
		if err := t.ctx.Err(); err != nil {
			return err
		}
		h, err := members.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil && h == nil:
			return err
		}
		name := memberName(h.Name)
		if err := t.countMember(name); err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeReg:
			offset, err := t.file.Seek(0, io.SeekCurrent)
			if err != nil {
				return err
			}
			t.spans[name] = span{offset, h.Size}
		case tar.TypeSymlink, tar.TypeLink:
			t.links[name] = linkTarget(h)
		}
	}
}

// memberName returns the name of a member in the form that manifests use: without a slash at
// the beginning.
func memberName(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// linkTarget returns the name of the member that a link points to. Before version 25, Docker
// wrote a layer that images share once, and symbolic links to it.
func linkTarget(h *tar.Header) string {
	if h.Typeflag == tar.TypeLink {
		return memberName(h.Linkname)
	}
	return memberName(path.Join(path.Dir(h.Name), h.Linkname))
}

// resolveLink follows up to eight links from a name, and returns the last name.
func resolveLink(links map[string]string, name string) string {
	name = memberName(name)
	for range 8 {
		target, ok := links[name]
		if !ok {
			break
		}
		name = target
	}
	return name
}

func (t *tarFile) open(name string) (io.Reader, error) {
	s, ok := t.spans[resolveLink(t.links, name)]
	if !ok {
		return nil, missingError(name)
	}
	return archiveReader{t.reader, io.NewSectionReader(t.file, s.offset, s.size)}, nil
}

// missingError returns the error for a file that an archive does not have.
func missingError(name string) error {
	return fmt.Errorf("%s: %w in the archive", name, fs.ErrNotExist)
}

func (t *tarFile) manifest(name string) ([]byte, error) {
	from, err := t.open(name)
	if err != nil {
		return nil, err
	}
	return t.readManifest(from)
}

func (t *tarFile) layer(name string) *layer {
	name = resolveLink(t.links, name)
	if l := t.layers[name]; l != nil {
		return l
	}
	l := &layer{}
	if from, err := t.open(name); err != nil {
		l.err = err
	} else {
		l = t.reader.readLayer(from)
	}
	t.layers[name] = l
	return l
}
