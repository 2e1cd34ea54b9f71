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

// A store has the files of an image, by name: manifests, configurations, layers.
type store interface {
	// manifest returns the contents of a small file. If there is none, the error wraps
	// fs.ErrNotExist.
	manifest(name string) ([]byte, error)
	// layer returns a layer. The same name gives the same layer.
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

// openRegular opens a regular file. It does not wait for the writer of a pipe.
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

// countManifest counts a manifest, or a layer in one.
func (r *reader) countManifest() error {
	if r.manifests++; r.manifests > r.limits.Manifests {
		return fmt.Errorf("more than %d manifests and layers: %w", r.limits.Manifests, ErrExceeded)
	}
	return nil
}

// maxManifests is how many times the size of one manifest all together may have.
const maxManifests = 16

// small returns the whole contents of a manifest.
func (r *reader) small(from io.Reader) ([]byte, error) {
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
	case r.manifestBytes > maxManifests*r.limits.Manifest:
		return nil, fmt.Errorf("more than %d bytes of manifests: %w", maxManifests*r.limits.Manifest, ErrExceeded)
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
	return f.small(input{f.reader, file})
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
		l = f.reader.layer(input{f.reader, file})
	}
	f.layers[name] = l
	return l
}

// A tarFile is a tar archive that is not compressed. It is read at offsets.
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

// A span is where a member's contents are in the archive.
type span struct{ offset, size int64 }

// tarFile returns the images in a file that is a tar archive, or nil if there is none.
func (r *reader) tarFile(file randomAccess) (images []Image, err error) {
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
		return nil, nil // and what is wrong is found again by the one who reads it as a stream
	}
	r.members, r.names = 0, 0
	return r.images(t)
}

// isImage reports whether files in an archive make it an image.
func isImage[T any](names map[string]T) bool {
	_, layout := names[layoutFile]
	_, index := names[indexFile]
	_, docker := names[manifestFile]
	return layout && index || docker
}

// index finds the members. The tar reader reads whole blocks, so the file is then at the
// contents of the member.
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
		if err := t.count(name); err != nil {
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

// memberName returns the name of a member as manifests write it.
func memberName(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// linkTarget returns the name of the member that a link points to. Docker before version
// 25 wrote a layer that two images share once, and symbolic links to it.
func linkTarget(h *tar.Header) string {
	if h.Typeflag == tar.TypeLink {
		return memberName(h.Linkname)
	}
	return memberName(path.Join(path.Dir(h.Name), h.Linkname))
}

// follow follows links from a name, a few at most.
func follow(links map[string]string, name string) string {
	name = memberName(name)
	for range 8 {
		to, is := links[name]
		if !is {
			break
		}
		name = to
	}
	return name
}

func (t *tarFile) open(name string) (io.Reader, error) {
	s, ok := t.spans[follow(t.links, name)]
	if !ok {
		return nil, missing(name)
	}
	return input{t.reader, io.NewSectionReader(t.file, s.offset, s.size)}, nil
}

// missing is the error for a file that an archive does not have.
func missing(name string) error { return fmt.Errorf("%s: %w in the archive", name, fs.ErrNotExist) }

func (t *tarFile) manifest(name string) ([]byte, error) {
	from, err := t.open(name)
	if err != nil {
		return nil, err
	}
	return t.small(from)
}

func (t *tarFile) layer(name string) *layer {
	name = follow(t.links, name)
	if l := t.layers[name]; l != nil {
		return l
	}
	l := &layer{}
	if from, err := t.open(name); err != nil {
		l.err = err
	} else {
		l = t.reader.layer(from)
	}
	t.layers[name] = l
	return l
}
