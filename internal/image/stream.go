package image

import (
	"archive/tar"
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// stream reads an archive from its beginning to its end.
func (r *reader) stream(from io.Reader) (images []Image, err error) {
	err = guard(func() error {
		content, done, err := r.unpack(input{r, from})
		if err != nil {
			return err
		}
		defer done()
		images, err = r.content(content)
		return err
	})
	return images, err
}

// content reads an archive that is not compressed, whose kind its first bytes show.
func (r *reader) content(from *bufio.Reader) ([]Image, error) {
	head, err := from.Peek(headSize)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case isTar(head):
		return r.tarMembers(from)
	case isDeb(head):
		l := &layer{}
		l.err = r.deb(l, from)
		return r.archive(l), nil
	}
	return r.single(from)
}

// archive returns an archive that is not an image.
func (r *reader) archive(l *layer) []Image {
	var errs []error
	if l.err != nil {
		errs = append(errs, l.err)
	}
	return []Image{r.image("", []*layer{l}, errs)}
}

// single reads a file that is not an archive. It was compressed, or came as a stream.
func (r *reader) single(from io.Reader) ([]Image, error) {
	found, err := r.look("", -1, from)
	if err == nil && found == nil {
		err = ErrFormat
	}
	if err != nil {
		return nil, err
	}
	return []Image{{Files: []File{{Found: found}}}}, nil
}

// A tarStream is a tar archive that is read once, from its beginning to its end. Its
// manifest may be its last member. So what each member may be for is kept.
type tarStream struct {
	*reader
	manifests map[string][]byte
	layers    map[string]*layer
	links     map[string]string
	kept      int64 // bytes of manifests
}

// tarMembers reads a tar archive as what it may be: an archive of files, and an image.
func (r *reader) tarMembers(from io.Reader) ([]Image, error) {
	s := &tarStream{reader: r, manifests: map[string][]byte{}, layers: map[string]*layer{}, links: map[string]string{}}
	files := &layer{}
	files.err = r.tar(files, from, members{look: s.look, link: func(h *tar.Header) { s.links[memberName(h.Name)] = linkTarget(h) }})
	if !isImage(s.manifests) {
		return r.archive(files), nil
	}
	images, err := r.images(s)
	if err == nil && files.err != nil {
		images[0].Errors = append(images[0].Errors, files.err)
	}
	return images, err
}

// look reads a member as a layer, as a manifest, or as a file.
func (s *tarStream) look(path string, size int64, from io.Reader) (found any, err error) {
	content := bufio.NewReaderSize(s.meter(from, s.limits.Unpacked, &s.stored), headSize)
	head, _ := content.Peek(headSize)
	name := memberName(path)
	switch {
	case isTar(head), isPacked(head), isEmptyTar(head):
		s.layers[name] = s.reader.layer(content)
		return nil, nil
	case bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("{")), bytes.HasPrefix(head, []byte("[")):
		if size <= s.limits.Manifest && s.kept+size <= maxManifests*s.limits.Manifest {
			s.kept += size
			s.manifests[name], err = io.ReadAll(content)
		}
		return nil, err
	}
	return s.reader.look(path, size, content)
}

func (s *tarStream) manifest(name string) ([]byte, error) {
	data, ok := s.manifests[follow(s.links, name)]
	if !ok {
		return nil, missing(name)
	}
	return s.small(bytes.NewReader(data))
}

func (s *tarStream) layer(name string) *layer {
	if l := s.layers[follow(s.links, name)]; l != nil {
		return l
	}
	return &layer{err: fmt.Errorf("%w, or it is not a tar archive", missing(name))}
}
