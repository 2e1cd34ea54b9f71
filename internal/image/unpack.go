package image

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/dustin/go-humanize"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/xi2/xz"
)

const (
	headSize   = 512      // bytes by which a format is known: a tar header
	bufferSize = 64 << 10 // bytes
	maxWindow  = 64 << 20 // bytes of the window of zstd and the dictionary of xz
	maxPacked  = 3        // compressed inside compressed
)

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

// A meter bounds the bytes that come out of one layer or one file. All together are bounded
// as well. It ends with the context, because zeros that are not stored can last long.
type meter struct {
	*reader
	from  io.Reader
	limit Limit
	total *int64 // of all meters of the same kind
	begin int64  // bytes that were read when this one began
	bytes int64
}

// share is the part of a limit's base that one layer or file has.
const share = 4

func (r *reader) meter(from io.Reader, limit Limit, total *int64) *meter {
	return &meter{reader: r, from: from, limit: limit, total: total, begin: r.read}
}

func (m *meter) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.from.Read(p)
	for _, b := range []struct{ bytes, base, read int64 }{
		{m.bytes, m.limit.Base / share, m.read - m.begin}, {*m.total, m.limit.Base, m.read},
	} {
		if b.bytes+int64(n) > b.base+m.limit.Ratio*b.read {
			return 0, fmt.Errorf("a decompression bomb: more than %s and %d times the %s read: %w",
				humanize.IBytes(uint64(b.base)), m.limit.Ratio, humanize.IBytes(uint64(b.read)), ErrExceeded)
		}
	}
	m.bytes += int64(n)
	*m.total += int64(n)
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
		to = bufio.NewReaderSize(r.meter(next, r.limits.Unpacked, &r.unpacked), bufferSize)
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
