package triage

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"debug/macho"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/unicode"

	"splitadd/internal/core"
)

// Errors for inputs that are not logs.
var (
	ErrPacked = errors.New("not a log") // it is an archive, or compressed in a way that is not supported
	ErrBinary = errors.New("a program, not a log or a core file")
	ErrText   = errors.New("not text: neither a log nor a core file")
	ErrEmpty  = errors.New("the input is empty")
)

// Bounds on what is read of an input.
const (
	peekSize    = 64 << 10 // bytes that decide what the input is
	maxUnpacked = 1 << 30  // bytes after decompression
	maxWindow   = 64 << 20 // bytes of zstd's window
	maxLayers   = 2        // layers of compression
)

// packedFormats are the formats of files that are recognized but not read.
var packedFormats = []struct{ magic, name string }{
	{"\xfd7zXZ", "compressed with xz"}, {"\x04\x22\x4d\x18", "compressed with lz4"}, {"BZh", "compressed with bzip2"},
	{"PK\x03\x04", "a zip archive"}, {"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"}, {"Rar!\x1a\x07", "a RAR archive"},
}

// openText returns the text of a log. If the input is not a log, the error wraps one of those
// above.
func openText(from *bufio.Reader) (io.ReadCloser, error) {
	closers := closers{}
	for layer := 0; ; layer++ {
		begin, err := from.Peek(peekSize)
		if err != nil && err != io.EOF && len(begin) == 0 {
			closers.Close()
			return nil, err
		}
		unpack := unpacker(begin)
		if unpack == nil || layer == maxLayers {
			text, err := decodeText(begin, from)
			if err != nil {
				closers.Close()
				return nil, err
			}
			return textCloser{text, closers}, nil
		}
		unpacked, err := unpack(from)
		if err != nil {
			closers.Close()
			return nil, fmt.Errorf("%w: damaged: %w", ErrPacked, err)
		}
		closers = append(closers, unpacked)
		from = bufio.NewReaderSize(&boundedReader{from: unpacked, left: maxUnpacked}, peekSize)
	}
}

// unpacker returns a function that decompresses an input with this beginning. If the input is
// not compressed, it returns nil.
func unpacker(begin []byte) func(io.Reader) (io.ReadCloser, error) {
	switch {
	case bytes.HasPrefix(begin, []byte("\x1f\x8b")):
		return func(from io.Reader) (io.ReadCloser, error) { return gzip.NewReader(from) }
	case bytes.HasPrefix(begin, []byte("\x28\xb5\x2f\xfd")):
		return func(from io.Reader) (io.ReadCloser, error) {
			d, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
			if err != nil {
				return nil, err
			}
			return d.IOReadCloser(), nil
		}
	}
	return nil
}

// decodeText returns an input with this beginning as UTF-8. If it is not text, the error says what
// it is.
func decodeText(begin []byte, from io.Reader) (io.Reader, error) {
	for _, p := range packedFormats {
		if bytes.HasPrefix(begin, []byte(p.magic)) {
			return nil, fmt.Errorf("%w: %s", ErrPacked, p.name)
		}
	}
	switch {
	case len(begin) == 0:
		return nil, ErrEmpty
	case len(begin) > 262 && string(begin[257:262]) == "ustar":
		return nil, fmt.Errorf("%w: a tar archive", ErrPacked)
	case core.IsCore(begin):
		return nil, errors.New("a core file is only read from a file, by its name")
	case isProgram(begin):
		return nil, ErrBinary
	case bytes.HasPrefix(begin, []byte("\xff\xfe")), bytes.HasPrefix(begin, []byte("\xfe\xff")):
		return unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder().Reader(from), nil
	case bytes.HasPrefix(begin, []byte("\xef\xbb\xbf")):
		_, err := io.ReadFull(from, make([]byte, 3))
		return from, err
	case !isText(begin):
		return nil, ErrText
	}
	return from, nil
}

// isProgram reports whether a file with this beginning is an executable or a library.
func isProgram(begin []byte) bool {
	if len(begin) < 64 {
		return false
	}
	switch magic := binary.LittleEndian.Uint32(begin); magic {
	case macho.Magic32, macho.Magic64, 0xcefaedfe, 0xcffaedfe, 0xbebafeca:
		return true
	}
	return bytes.HasPrefix(begin, []byte(elf.ELFMAG)) || bytes.HasPrefix(begin, []byte("MZ")) && bytes.IndexByte(begin[:64], 0) >= 0
}

// isText reports whether most of the beginning of an input is text. A log may have a block of
// zeros from when the machine lost power.
func isText(begin []byte) bool {
	bad := 0
	for i := 0; i < len(begin); {
		r, size := utf8.DecodeRune(begin[i:])
		if r == utf8.RuneError && size == 1 || r < ' ' && !strings.ContainsRune("\t\n\r\f\b\x1b", r) {
			bad++
		}
		i += size
	}
	return bad <= len(begin)*3/10
}

// A boundedReader returns an error that wraps ErrOmitted at its bound.
type boundedReader struct {
	from io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, fmt.Errorf("%w: it has more than %d bytes after decompression", ErrOmitted, maxUnpacked)
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// closers are closed together.
type closers []io.Closer

func (c closers) Close() error {
	for _, closer := range c {
		_ = closer.Close() // an error does not matter, because nothing was written
	}
	return nil
}

// A textCloser reads a text and closes what it was read from.
type textCloser struct {
	io.Reader
	io.Closer
}
