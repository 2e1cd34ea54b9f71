package image

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"path"
	"strings"
)

// Names of whiteouts (OCI image specification, layer.md). Other names that begin with
// whiteoutMeta belong to the union file system.
const (
	whiteout     = ".wh."
	whiteoutMeta = ".wh..wh."
	opaque       = ".wh..wh..opq"
)

// A layer is the members of a layer, or of an archive that is not an image.
type layer struct {
	digest       string // of the layer as it is stored, or ""
	uncompressed bool   // the layer is stored without compression
	command      string
	entries      []entry
	err          error // why the layer was not read to its end
}

// An entry is a member of a layer.
type entry struct {
	path  string // with a slash at the beginning
	kind  kind
	found any // what the VisitFunc returned for a file
}

type kind uint8

const (
	kindFile kind = iota
	kindDir
	kindOther    // a symbolic link, a device
	kindWhiteout // deletes the path in lower layers
	kindOpaque   // deletes the contents of the folder in lower layers
)

// readLayer reads a layer that may be compressed. An error is in the result.
func (r *reader) readLayer(from io.Reader) *layer {
	l := &layer{}
	stored := hashingReader{from, sha256.New()}
	l.err = guard(func() error {
		buffered := bufio.NewReaderSize(stored, bufferSize)
		head, _ := buffered.Peek(headSize)
		l.uncompressed = !isCompressed(head)
		content, closeReader, err := r.decompress(buffered)
		if err != nil {
			return err
		}
		defer closeReader()
		switch head, err := content.Peek(headSize); {
		case isTar(head):
			return r.readTar(l, content, tarOptions{whiteouts: true, visit: r.visitFile})
		case isEmptyTar(head):
			return nil
		case err != nil && err != io.EOF:
			return err
		}
		return fmt.Errorf("not a tar archive: %w", ErrFormat)
	})
	if _, err := io.Copy(io.Discard, stored); l.err == nil {
		l.err = err
	}
	l.digest = "sha256:" + hex.EncodeToString(stored.sum.Sum(nil))
	return l
}

// isEmptyTar reports whether a file that begins with head is a tar archive without members.
func isEmptyTar(head []byte) bool {
	return len(head) == headSize && strings.Trim(string(head), "\x00") == ""
}

// A hashingReader is a reader that hashes what is read.
type hashingReader struct {
	r   io.Reader
	sum hash.Hash
}

func (h hashingReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.sum.Write(p[:n])
	return n, err
}

// tarOptions are the options of readTar.
type tarOptions struct {
	whiteouts bool // the archive is a layer of an image, so members may be whiteouts
	visit     func(path string, size int64, from io.Reader) (found any, err error)
	onLink    func(h *tar.Header) // called for each link, if it is not nil
}

// readTar adds the members of a tar archive to a layer. It calls options.visit for the
// regular files.
func (r *reader) readTar(l *layer, from io.Reader, options tarOptions) error {
	archive := tar.NewReader(from)
	found := map[string]any{} // by path, for hard links
	lastPath := ""
	for {
		header, err := archive.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil && header == nil && lastPath != "":
			return fmt.Errorf("after %s: %w", lastPath, err)
		case err != nil && header == nil:
			return err
		}
		e := entry{path: path.Clean("/" + header.Name), kind: kindOther}
		switch header.Typeflag {
		case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
			e.kind = kindFile
		case tar.TypeLink:
			e.kind, e.found = kindFile, found[path.Clean("/"+header.Linkname)]
		case tar.TypeDir:
			e.kind = kindDir
		}
		if options.onLink != nil && (header.Typeflag == tar.TypeLink || header.Typeflag == tar.TypeSymlink) {
			options.onLink(header)
		}
		if options.whiteouts && !e.applyWhiteout() {
			continue
		}
		lastPath = e.path
		if err := r.countMember(e.path); err != nil {
			return err
		}
		if e.kind == kindFile && header.Typeflag != tar.TypeLink {
			if e.found, err = options.visit(e.path, header.Size, archive); err != nil {
				return fmt.Errorf("%s: %w", e.path, err)
			}
		}
		if e.found != nil {
			found[e.path] = e.found
		}
		l.entries = append(l.entries, e)
	}
}

// applyWhiteout sets the kind and the path of an entry that is a whiteout. It returns false if
// the entry belongs to the union file system.
func (e *entry) applyWhiteout() bool {
	dir, base := path.Split(e.path)
	switch {
	case base == opaque:
		e.path, e.kind = path.Clean(dir), kindOpaque
	case strings.HasPrefix(base, whiteoutMeta):
		return false
	case strings.HasPrefix(base, whiteout):
		e.path, e.kind = path.Join(dir, base[len(whiteout):]), kindWhiteout
	}
	return true
}

// countMember counts a member, and returns an error at a limit.
func (r *reader) countMember(path string) error {
	r.members++
	r.names += int64(len(path))
	switch {
	case r.members > r.limits.Members:
		return fmt.Errorf("more than %d members: %w", r.limits.Members, ErrExceeded)
	case r.names > r.limits.Names:
		return fmt.Errorf("more than %d bytes of names: %w", r.limits.Names, ErrExceeded)
	}
	return nil
}

// visitFile calls the VisitFunc for a regular file. It returns errors of reading the archive. If
// the file exceeds a limit, only the VisitFunc gets an error, and the rest of the archive can
// be read.
func (r *reader) visitFile(path string, size int64, from io.Reader) (found any, err error) {
	m := &fileReader{r: from}
	content := r.meter(m, r.limits.Visited, &r.visited)
	if err := guard(func() error { found = r.visit(path, size, content); return nil }); err != nil {
		return nil, err
	}
	return found, m.err
}

// A fileReader reads a file from the archive, and stores the error.
type fileReader struct {
	r   io.Reader
	err error
}

func (m *fileReader) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if err != nil && err != io.EOF {
		m.err = err
	}
	return n, err
}
