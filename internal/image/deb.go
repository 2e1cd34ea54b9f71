package image

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const arMagic = "!<arch>\n"

// readDeb adds the files of a Debian package to a layer: those in its member data.tar, which may
// be compressed (deb(5)). In an ar archive each member has a header of 60 bytes and begins at
// an even offset (ar(5)). The libraries for ar are not used: they need random access, or panic
// on damaged headers.
func (r *reader) readDeb(l *layer, from io.Reader) error {
	if _, err := io.CopyN(io.Discard, from, int64(len(arMagic))); err != nil {
		return err
	}
	for {
		header := make([]byte, 60)
		if _, err := io.ReadFull(from, header); err == io.EOF {
			return errors.New("a Debian package without data.tar")
		} else if err != nil {
			return err
		}
		name := strings.TrimRight(string(header[:16]), " /")
		size, err := strconv.ParseInt(string(bytes.TrimRight(header[48:58], " ")), 10, 64)
		if err != nil || size < 0 || string(header[58:]) != "`\n" {
			return fmt.Errorf("header of %q in a Debian package: damaged", name)
		}
		if strings.HasPrefix(name, "data.tar") {
			content, closeReader, err := r.decompress(io.LimitReader(from, size))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			defer closeReader()
			return r.readTar(l, content, tarOptions{visit: r.visitFile})
		}
		if _, err := io.CopyN(io.Discard, from, size+size%2); err != nil {
			return err
		}
	}
}
