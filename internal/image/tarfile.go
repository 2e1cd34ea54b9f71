package image

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

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
