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
	headSize        = 512      // bytes that are needed to detect a format: the size of a tar header
	bufferSize      = 64 << 10 // bytes
	maxWindow       = 64 << 20 // bytes of the window of zstd and the dictionary of xz
	maxCompressions = 3        // levels of compression in compression
)

// An archiveReader reads from the archive itself. It counts the bytes, and returns an error
// when the context is done.
type archiveReader struct {
	*reader
	from io.Reader
}

func (i archiveReader) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := i.from.Read(p)
	i.bytesRead += int64(n)
	return n, err
}

// A meter limits the bytes that are read from one layer or file, and from all together. It
// returns an error when the context is done, because the zeros of a sparse file can take
// long to read without a read from the archive.
type meter struct {
	*reader
	from       io.Reader
	limit      Limit
	total      *int64 // bytes of all meters with the same limit
	readBefore int64  // bytes of the archive that were read before this meter was made
	bytes      int64
}

// limitShare divides the base of a limit: the result is the base for one layer or file.
const limitShare = 4

func (r *reader) meter(from io.Reader, limit Limit, total *int64) *meter {
	return &meter{reader: r, from: from, limit: limit, total: total, readBefore: r.bytesRead}
}

func (m *meter) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.from.Read(p)
	for _, b := range []struct{ bytes, base, read int64 }{
		{m.bytes, m.limit.Base / limitShare, m.bytesRead - m.readBefore}, {*m.total, m.limit.Base, m.bytesRead},
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

// decompress returns a reader of the decompressed contents, or of from itself if it is not
// compressed. The reader is valid until closeDecoders is called.
func (r *reader) decompress(from io.Reader) (current *bufio.Reader, closeDecoders func(), err error) {
	var decoders []*zstd.Decoder
	closeDecoders = func() {
		for _, d := range decoders {
			d.Close()
		}
	}
	current = bufio.NewReaderSize(from, bufferSize)
	for range maxCompressions {
		head, _ := current.Peek(headSize)
		var next io.Reader
		switch compression(head) {
		case "":
			return current, closeDecoders, nil
		case "gzip":
			next, err = gzip.NewReader(current)
		case "xz":
			next, err = xz.NewReader(current, maxWindow)
		case "zstd":
			var d *zstd.Decoder
			if d, err = zstd.NewReader(current, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow)); err == nil {
				decoders = append(decoders, d)
				next = d
			}
		}
		if err != nil {
			closeDecoders()
			return nil, nil, err
		}
		current = bufio.NewReaderSize(r.meter(next, r.limits.Decompressed, &r.decompressed), bufferSize)
	}
	return current, closeDecoders, nil
}

// isTar reports whether a file that begins with head is a tar archive.
func isTar(head []byte) bool { return len(head) > 262 && string(head[257:262]) == "ustar" }

// isDeb reports whether a file that begins with head is a Debian package.
func isDeb(head []byte) bool { return bytes.HasPrefix(head, []byte(arMagic+"debian-binary")) }

// compression returns the format of a compressed file that begins with head, "gzip", "zstd" or
// "xz", or "" if it is not compressed. A zstd file may begin with a skippable frame.
func compression(head []byte) string {
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

// isCompressed reports whether a file that begins with head is compressed.
func isCompressed(head []byte) bool { return compression(head) != "" }

// IsArchive reports whether Read can read a file that begins with head: an archive, an image,
// or a compressed file. Head must have at least 512 bytes, or the whole file.
func IsArchive(head []byte) bool { return isTar(head) || isDeb(head) || isCompressed(head) }
