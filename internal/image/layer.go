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

// Names of whiteouts (OCI image specification, layer.md). Others that begin with
// whiteoutMeta are the union file system's own.
const (
	whiteout     = ".wh."
	whiteoutMeta = ".wh..wh."
	opaque       = ".wh..wh..opq"
)

// A layer is the members of a layer, or of an archive that is not an image.
type layer struct {
	digest  string // of the bytes as they are stored, or ""
	plain   bool   // they are not compressed
	command string
	entries []entry
	err     error // why the layer was not read to its end
}

// An entry is a member.
type entry struct {
	path  string // with a slash at the beginning
	kind  kind
	found any // of a file
}

type kind uint8

const (
	isFile     kind = iota
	isDir           // a folder
	isOther         // a link, a device
	isWhiteout      // deletes the path in lower layers
	isOpaque        // deletes what is in the folder in lower layers
)

// layer reads a layer as it is stored. Its error is in the result.
func (r *reader) layer(from io.Reader) *layer {
	l := &layer{}
	stored := hashing{from, sha256.New()}
	l.err = guard(func() error {
		begin := bufio.NewReaderSize(stored, bufferSize)
		head, _ := begin.Peek(headSize)
		l.plain = !isPacked(head)
		content, done, err := r.unpack(begin)
		if err != nil {
			return err
		}
		defer done()
		switch head, err := content.Peek(headSize); {
		case isTar(head):
			return r.tar(l, content, members{whiteouts: true, look: r.look})
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

// isEmptyTar reports whether what begins so is a tar archive without members.
func isEmptyTar(head []byte) bool {
	return len(head) == headSize && strings.Trim(string(head), "\x00") == ""
}

// A hashing is a reader that hashes what is read.
type hashing struct {
	from io.Reader
	sum  hash.Hash
}

func (h hashing) Read(p []byte) (int, error) {
	n, err := h.from.Read(p)
	h.sum.Write(p[:n])
	return n, err
}

// members says how the members of a tar archive are read.
type members struct {
	whiteouts bool // names may be those of whiteouts: it is the layer of an image
	look      func(path string, size int64, from io.Reader) (found any, err error)
	link      func(h *tar.Header) // called for links; nil is nothing
}

// tar adds the members of a tar archive to a layer.
func (r *reader) tar(l *layer, from io.Reader, how members) error {
	t := tar.NewReader(from)
	found := map[string]any{} // by path, for hard links
	last := ""
	for {
		h, err := t.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil && h == nil && last != "":
			return fmt.Errorf("after %s: %w", last, err)
		case err != nil && h == nil:
			return err
		}
		e := entry{path: path.Clean("/" + h.Name), kind: isOther}
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
			e.kind = isFile
		case tar.TypeLink:
			e.kind, e.found = isFile, found[path.Clean("/"+h.Linkname)]
		case tar.TypeDir:
			e.kind = isDir
		}
		if how.link != nil && (h.Typeflag == tar.TypeLink || h.Typeflag == tar.TypeSymlink) {
			how.link(h)
		}
		if how.whiteouts && !e.deletes() {
			continue
		}
		last = e.path
		if err := r.count(e.path); err != nil {
			return err
		}
		if e.kind == isFile && h.Typeflag != tar.TypeLink {
			if e.found, err = how.look(e.path, h.Size, t); err != nil {
				return fmt.Errorf("%s: %w", e.path, err)
			}
		}
		if e.found != nil {
			found[e.path] = e.found
		}
		l.entries = append(l.entries, e)
	}
}

// deletes makes a file that is a whiteout into what it deletes. It returns false if the
// entry is no part of the image.
func (e *entry) deletes() bool {
	dir, base := path.Split(e.path)
	switch {
	case base == opaque:
		e.path, e.kind = path.Clean(dir), isOpaque
	case strings.HasPrefix(base, whiteoutMeta):
		return false
	case strings.HasPrefix(base, whiteout):
		e.path, e.kind = path.Join(dir, base[len(whiteout):]), isWhiteout
	}
	return true
}

// count counts a member.
func (r *reader) count(path string) error {
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

// look calls the visitor for a regular file. The error is one of the archive. If the file is
// larger than a limit, only the visitor gets an error, and the archive is read on.
func (r *reader) look(path string, size int64, from io.Reader) (found any, err error) {
	stored := &member{from: from}
	content := r.meter(stored, r.limits.Visited, &r.visited)
	if err := guard(func() error { found = r.visit(path, size, content); return nil }); err != nil {
		return nil, err
	}
	return found, stored.err
}

// A member reads a file from the archive, and keeps the error.
type member struct {
	from io.Reader
	err  error
}

func (m *member) Read(p []byte) (int, error) {
	n, err := m.from.Read(p)
	if err != nil && err != io.EOF {
		m.err = err
	}
	return n, err
}
