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

// ErrIdentity is wrapped by the error for a file that was signed with an identity. Only the
// owner of the identity can sign a changed copy.
var ErrIdentity = errors.New("signed with an identity: only its owner can sign a changed copy")

// Constants of code signatures, from Apple's cs_blobs.h, and limits. The numbers in signatures
// are big-endian.
const (
	loadSignature          = 0x1d // LC_CODE_SIGNATURE
	magicEmbeddedSignature = 0xfade0cc0
	magicCodeDirectory     = 0xfade0c02
	magicBlobWrapper       = 0xfade0b01
	hashSHA256             = 2

	maxBlobs        = 64
	maxSignature    = 64 << 20 // bytes
	maxPageBits     = 16
	maxLoadCommands = 1 << 20 // bytes of load commands
	maxRehashes     = 4       // code directories of one Mach-O file; a linker writes one, Apple's codesign two
)

// A file can be read and written at any offset.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Seeker
}

// signMachO writes the hashes of the pages of a Mach-O file into its code signature. It does
// not change other files, or Mach-O files without a signature.
func signMachO(f file) error {
	head := make([]byte, 8)
	if n, err := f.ReadAt(head, 0); err != nil && (err != io.EOF || n < 4) {
		return nil // too short for a Mach-O file
	}
	if binary.LittleEndian.Uint32(head) == macho.Magic64 {
		return signPart(f, 0)
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
			if err := signPart(f, int64(binary.BigEndian.Uint32(parts[8:]))); err != nil {
				return err
			}
		}
	}
	return nil
}

// signPart is signMachO for the Mach-O file that begins at an offset in f.
func signPart(f file, partOffset int64) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	head := make([]byte, max(0, min(size-partOffset, maxLoadCommands)))
	if _, err := f.ReadAt(head, partOffset); err != nil && err != io.EOF {
		return err
	}
	remaining := maxRehashes
	for command, err := range objfile.LoadCommands(head) {
		if err != nil {
			return err
		}
		if len(command) < 16 || binary.LittleEndian.Uint32(command) != loadSignature {
			continue
		}
		offset, n := int64(binary.LittleEndian.Uint32(command[8:])), int64(binary.LittleEndian.Uint32(command[12:]))
		if n > maxSignature || partOffset+offset+n > size {
			return fmt.Errorf("signature [%#x,%#x) out of bounds", offset, offset+n)
		}
		blob := make([]byte, n)
		if _, err := f.ReadAt(blob, partOffset+offset); err != nil {
			return fmt.Errorf("signature at %#x: %w", offset, err)
		}
		if err := rehashDirectories(blob, io.NewSectionReader(f, partOffset, offset), &remaining); err != nil {
			return fmt.Errorf("signature at %#x: %w", offset, err)
		}
		if _, err := f.WriteAt(blob, partOffset+offset); err != nil {
			return err
		}
	}
	return nil
}

// rehashDirectories writes the hashes of the code into the code directories of a signature.
// It subtracts the number of directories from remaining. It is an error if there are more.
func rehashDirectories(blob []byte, code io.ReaderAt, remaining *int) error {
	if word(blob, 0) != magicEmbeddedSignature || word(blob, 8) > maxBlobs {
		return fmt.Errorf("magic %#x, %d parts", word(blob, 0), word(blob, 8))
	}
	for i := range word(blob, 8) {
		off := word(blob, 12+8*i+4)
		if uint64(off) > uint64(len(blob)) {
			return fmt.Errorf("part %d at %#x", i, off)
		}
		part := blob[off:]
		switch word(part, 0) {
		case magicBlobWrapper:
			if word(part, 4) > 8 { // not empty
				return ErrIdentity
			}
		case magicCodeDirectory:
			if *remaining--; *remaining < 0 {
				return fmt.Errorf("more than %d code directories", maxRehashes)
			}
			if err := rehashDirectory(part, code); err != nil {
				return err
			}
		}
	}
	return nil
}

// rehashDirectory writes the hashes of the pages of the code into a code directory.
func rehashDirectory(directory []byte, code io.ReaderAt) error {
	hashes, pages, limit := word(directory, 16), word(directory, 28), word(directory, 32)
	if len(directory) < 44 || directory[36] != sha256.Size || directory[37] != hashSHA256 || directory[39] > maxPageBits ||
		uint64(hashes)+uint64(pages)*sha256.Size > uint64(len(directory)) {
		return fmt.Errorf("a code directory with hashes other than SHA-256, or cut off")
	}
	page := make([]byte, 1<<directory[39])
	for n := range pages {
		from := int64(n) << directory[39]
		to := min(from+int64(len(page)), int64(limit))
		if to <= from {
			return fmt.Errorf("page %d of %d bytes", n, limit)
		}
		if _, err := code.ReadAt(page[:to-from], from); err != nil {
			return fmt.Errorf("page %d: %w", n, err)
		}
		sum := sha256.Sum256(page[:to-from])
		copy(directory[hashes+n*sha256.Size:], sum[:])
	}
	return nil
}

// word returns the 32-bit number at an offset in a signature, or 0 if it is out of bounds.
func word(b []byte, off uint32) uint32 {
	if uint64(off)+4 > uint64(len(b)) {
		return 0
	}
	return binary.BigEndian.Uint32(b[off:])
}
