package image

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	"github.com/dustin/go-humanize"
	"github.com/klauspost/compress/zstd"
	"github.com/xi2/xz"
)

const (
	headSize   = 512      // bytes by which a format is known: a tar header
	bufferSize = 64 << 10 // bytes
	maxWindow  = 64 << 20 // bytes of the window of zstd and the dictionary of xz
	maxPacked  = 3        // compressed inside compressed
)

// over returns an error if n bytes are more than the limit for an archive of which so
// much was read.
func (l Limit) over(n, read int64) error {
	if n <= l.Base+l.Ratio*read {
		return nil
	}
	return fmt.Errorf("a decompression bomb: more than %s and %d times the %s read: %w",
		humanize.IBytes(uint64(l.Base)), l.Ratio, humanize.IBytes(uint64(read)), ErrExceeded)
}

// An input reads from the archive itself, counts, and ends with the context.
type input struct {
	*reader
	from io.Reader
}

func (i input) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := i.from.Read(p)
	i.read += int64(n)
	return n, err
}

// An unpacked reads what was unpacked, counts it, and ends at the limit.
type unpacked struct {
	*reader
	from io.Reader
}

func (u unpacked) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := u.from.Read(p)
	u.unpacked += int64(n)
	if over := u.limits.Unpacked.over(u.unpacked, u.read); over != nil {
		return 0, over
	}
	return n, err
}

// unpack returns a reader of what is compressed, or of what is given if it is not
// compressed. The reader is valid until done is called.
func (r *reader) unpack(from io.Reader) (to *bufio.Reader, done func(), err error) {
	var decoders []*zstd.Decoder
	done = func() {
		for _, d := range decoders {
			d.Close()
		}
	}
	to = bufio.NewReaderSize(from, bufferSize)
	for range maxPacked {
		head, _ := to.Peek(headSize)
		var next io.Reader
		switch packing(head) {
		case "":
			return to, done, nil
		case "gzip":
			next, err = gzip.NewReader(to)
		case "xz":
			next, err = xz.NewReader(to, maxWindow)
		case "zstd":
			var d *zstd.Decoder
			if d, err = zstd.NewReader(to, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow)); err == nil {
				decoders = append(decoders, d)
				next = d
			}
		}
		if err != nil {
			done()
			return nil, nil, err
		}
		to = bufio.NewReaderSize(unpacked{r, next}, bufferSize)
	}
	return to, done, nil
}

// isTar reports whether what begins so is a tar archive.
func isTar(head []byte) bool { return len(head) > 262 && string(head[257:262]) == "ustar" }

// isDeb reports whether what begins so is a Debian package.
func isDeb(head []byte) bool { return bytes.HasPrefix(head, []byte(arMagic+"debian-binary")) }

// packing says how what begins so is compressed: "gzip", "zstd" or "xz", or "" for not at
// all. A stream of zstd may begin with a frame that has no contents.
func packing(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return "gzip"
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")), len(head) > 4 && head[0]&0xf0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18":
		return "zstd"
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		return "xz"
	}
	return ""
}

func isPacked(head []byte) bool { return packing(head) != "" }

// Is reports whether a file that begins so is to be read as an image or an archive. At
// least 512 bytes of the beginning are needed, if the file has them.
func Is(head []byte) bool { return isTar(head) || isDeb(head) || isPacked(head) }
