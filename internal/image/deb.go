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

// deb adds the files of a Debian package to a layer: those of the member data.tar, which may
// be compressed (deb(5)). An archive of ar has a header of 60 bytes before each member, and
// members begin at even offsets (ar(5)). The libraries for ar need an archive that can be
// read at offsets, or panic on headers that are damaged.
func (r *reader) deb(l *layer, from io.Reader) error {
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
			content, done, err := r.unpack(io.LimitReader(from, size))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			defer done()
			return r.tar(l, content, members{look: r.look})
		}
		if _, err := io.CopyN(io.Discard, from, size+size%2); err != nil {
			return err
		}
	}
}
