package patch

import (
	"crypto/sha256"
	"debug/macho"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"splitadd/internal/objfile"
)

// ErrIdentity is wrapped by the error for a file that was signed with an identity. Only
// its owner can sign a changed copy.
var ErrIdentity = errors.New("signed with an identity: only its owner can sign a changed copy")

// From Apple's cs_blobs.h. Numbers are big-endian.
const (
	loadSignature  = 0x1d // LC_CODE_SIGNATURE
	magicSuper     = 0xfade0cc0
	magicDirectory = 0xfade0c02
	magicCMS       = 0xfade0b01
	hashSHA256     = 2

	maxBlobs     = 64
	maxSignature = 64 << 20 // bytes
	maxPageBits  = 16
	maxHead      = 1 << 20 // bytes of load commands
	maxRehashes  = 4       // directories, of all signatures: a linker writes one, Apple's tool two
)

// A file that can be read and written anywhere.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Seeker
}

// sign writes the hashes of the pages of a Mach-O file into its code signature. It does
// not change other files, or Mach-O files without a signature.
func sign(f file) error {
	head := make([]byte, 8)
	if n, err := f.ReadAt(head, 0); err != nil && (err != io.EOF || n < 4) {
		return nil // too short to be any
	}
	if binary.LittleEndian.Uint32(head) == macho.Magic64 {
		return signAt(f, 0)
	}
	if binary.BigEndian.Uint32(head) != macho.MagicFat || binary.BigEndian.Uint32(head[4:]) > maxBlobs {
		return nil
	}
	parts := make([]byte, 20*binary.BigEndian.Uint32(head[4:]))
	if _, err := f.ReadAt(parts, 8); err != nil {
		return fmt.Errorf("universal file: %w", err)
	}
	for ; len(parts) > 0; parts = parts[20:] {
		if macho.Cpu(binary.BigEndian.Uint32(parts)) == macho.CpuArm64 {
			if err := signAt(f, int64(binary.BigEndian.Uint32(parts[8:]))); err != nil {
				return err
			}
		}
	}
	return nil
}

// signAt signs the Mach-O file that begins at an offset.
func signAt(f file, begin int64) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	head := make([]byte, max(0, min(size-begin, maxHead)))
	if _, err := f.ReadAt(head, begin); err != nil && err != io.EOF {
		return err
	}
	left := maxRehashes
	for raw, err := range objfile.LoadCommands(head) {
		if err != nil {
			return err
		}
		if len(raw) < 16 || binary.LittleEndian.Uint32(raw) != loadSignature {
			continue
		}
		at, n := int64(binary.LittleEndian.Uint32(raw[8:])), int64(binary.LittleEndian.Uint32(raw[12:]))
		if n > maxSignature || begin+at+n > size {
			return fmt.Errorf("signature [%#x,%#x) out of bounds", at, at+n)
		}
		blob := make([]byte, n)
		if _, err := f.ReadAt(blob, begin+at); err != nil {
			return fmt.Errorf("signature at %#x: %w", at, err)
		}
		if err := rehash(blob, io.NewSectionReader(f, begin, at), &left); err != nil {
			return fmt.Errorf("signature at %#x: %w", at, err)
		}
		if _, err := f.WriteAt(blob, begin+at); err != nil {
			return err
		}
	}
	return nil
}

// rehash writes the hashes of the code into the directories of a signature. It counts
// them down in left, and it is an error if there are more.
func rehash(blob []byte, code io.ReaderAt, left *int) error {
	word := func(b []byte, at uint32) uint32 {
		if uint64(at)+4 > uint64(len(b)) {
			return 0
		}
		return binary.BigEndian.Uint32(b[at:])
	}
	if word(blob, 0) != magicSuper || word(blob, 8) > maxBlobs {
		return fmt.Errorf("magic %#x, %d parts", word(blob, 0), word(blob, 8))
	}
	for i := range word(blob, 8) {
		at := word(blob, 12+8*i+4)
		if uint64(at) > uint64(len(blob)) {
			return fmt.Errorf("part %d at %#x", i, at)
		}
		part := blob[at:]
		switch word(part, 0) {
		case magicCMS:
			if word(part, 4) > 8 { // not empty
				return ErrIdentity
			}
		case magicDirectory:
			if *left--; *left < 0 {
				return fmt.Errorf("more than %d code directories", maxRehashes)
			}
			hashes, pages, limit := word(part, 16), word(part, 28), word(part, 32)
			if len(part) < 44 || part[36] != sha256.Size || part[37] != hashSHA256 || part[39] > maxPageBits ||
				uint64(hashes)+uint64(pages)*sha256.Size > uint64(len(part)) {
				return fmt.Errorf("a code directory of another kind than SHA-256, or cut off")
			}
			page := make([]byte, 1<<part[39])
			for n := range pages {
				from := int64(n) << part[39]
				to := min(from+int64(len(page)), int64(limit))
				if to <= from {
					return fmt.Errorf("page %d of %d bytes", n, limit)
				}
				if _, err := code.ReadAt(page[:to-from], from); err != nil {
					return fmt.Errorf("page %d: %w", n, err)
				}
				sum := sha256.Sum256(page[:to-from])
				copy(part[hashes+n*sha256.Size:], sum[:])
			}
		}
	}
	return nil
}
