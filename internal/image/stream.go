package image

import (
	"archive/tar"
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// readArchive reads an archive from its beginning to its end.
func (r *reader) readArchive(from io.Reader) (images []Image, err error) {
	err = guard(func() error {
		content, closeReader, err := r.decompress(archiveReader{r, from})
		if err != nil {
			return err
		}
		defer closeReader()
		images, err = r.readDecompressed(content)
		return err
	})
	return images, err
}

// readDecompressed reads a tar archive, a Debian package or a single file, depending on its
// first bytes.
func (r *reader) readDecompressed(from *bufio.Reader) ([]Image, error) {
	head, err := from.Peek(headSize)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case isTar(head):
		return r.readTarStream(from)
	case isDeb(head):
		l := &layer{}
		l.err = r.readDeb(l, from)
		return r.archiveImage(l), nil
	}
	return r.readSingleFile(from)
}

// archiveImage returns the Image of an archive that is not an image.
func (r *reader) archiveImage(l *layer) []Image {
	var errs []error
	if l.err != nil {
		errs = append(errs, l.err)
	}
	return []Image{r.image("", []*layer{l}, errs)}
}

// readSingleFile visits a file that is not an archive. It was compressed, or is a stream.
func (r *reader) readSingleFile(from io.Reader) ([]Image, error) {
	found, err := r.visitFile("", -1, from)
	if err == nil && found == nil {
		err = ErrFormat
	}
	if err != nil {
		return nil, err
	}
	return []Image{{Files: []File{{Found: found}}}}, nil
}

// A tarStream is a tar archive that is read once, from its beginning to its end. Its manifest
// may be its last member, so every member that may be a layer or a manifest is stored.
type tarStream struct {
	*reader
	manifests    map[string][]byte
	layers       map[string]*layer
	links        map[string]string
	manifestSize int64 // bytes of manifests
}

// readTarStream reads a tar archive both as an archive of files and as an image, and returns
// the image if it has a manifest.
func (r *reader) readTarStream(from io.Reader) ([]Image, error) {
	s := &tarStream{reader: r, manifests: map[string][]byte{}, layers: map[string]*layer{}, links: map[string]string{}}
	files := &layer{}
	files.err = r.readTar(files, from, tarOptions{visit: s.visitMember, onLink: func(h *tar.Header) { s.links[memberName(h.Name)] = linkTarget(h) }})
	if !isImage(s.manifests) {
		return r.archiveImage(files), nil
	}
	images, err := r.readImages(s)
	if err == nil && files.err != nil {
		images[0].Errors = append(images[0].Errors, files.err)
	}
	return images, err
}

// visitMember reads a member as a layer, as a manifest, or as a file, depending on its first
// bytes.
func (s *tarStream) visitMember(path string, size int64, from io.Reader) (found any, err error) {
	content := bufio.NewReaderSize(s.meter(from, s.limits.Decompressed, &s.stored), headSize)
	head, _ := content.Peek(headSize)
	name := memberName(path)
	switch {
	case isTar(head), isCompressed(head), isEmptyTar(head):
		s.layers[name] = s.reader.readLayer(content)
		return nil, nil
	case bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("{")), bytes.HasPrefix(head, []byte("[")):
		if size <= s.limits.Manifest && s.manifestSize+size <= maxManifestRatio*s.limits.Manifest {
			s.manifestSize += size
			s.manifests[name], err = io.ReadAll(content)
		}
		return nil, err
	}
	return s.reader.visitFile(path, size, content)
}

func (s *tarStream) manifest(name string) ([]byte, error) {
	data, ok := s.manifests[resolveLink(s.links, name)]
	if !ok {
		return nil, missingError(name)
	}
	return s.readManifest(bytes.NewReader(data))
}

func (s *tarStream) layer(name string) *layer {
	if l := s.layers[resolveLink(s.links, name)]; l != nil {
		return l
	}
	return &layer{err: fmt.Errorf("%w, or it is not a tar archive", missingError(name))}
}
