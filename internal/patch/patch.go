// Package patch makes modified copies of executables. In a pinned copy, goroutines wait at one
// instruction. In a repaired copy, the stack pointer and the frame pointer never hold the
// partial sum of two ADDs.
package patch

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"splitadd/internal/arm64"
	"splitadd/internal/objfile"
	"splitadd/internal/pclntab"
)

// Pin writes a copy of the file to out, in which the instruction at pc is replaced by a branch
// to itself. A goroutine that reaches pc stays there until it is preempted, and continues there.
//
// It is an error if pc is not an instruction boundary of a function in the function table, or
// if out exists.
func Pin(f *objfile.File, pc uint64, out string) error {
	table, err := pclntab.Open(f)
	if err != nil {
		return err
	}
	fn, ok := table.PCToFunc(pc)
	if !ok {
		return fmt.Errorf("pin at %#x: in no function of %s", pc, f.Path)
	}
	if (pc-fn.Entry)%4 != 0 {
		return fmt.Errorf("pin at %#x: not an instruction boundary of %s", pc, fn.Name())
	}
	word, err := NewReplacement(f, pc, arm64.BranchSelf)
	if err == nil {
		err = copyFile(out, f.Source(), word)
	}
	if err != nil {
		return fmt.Errorf("pin at %#x: %w", pc, err)
	}
	return nil
}

// A Replacement replaces one instruction of a file by another.
type Replacement struct {
	Offset        int64  // in the file, in bytes
	PC            uint64 // address; 0 if it is not known
	Before, After uint32 // instruction words
}

// NewReplacement returns the Replacement of the instruction at pc by after. It is an error if
// pc is not in a segment of the file.
func NewReplacement(f *objfile.File, pc uint64, after uint32) (Replacement, error) {
	before, err := f.Bytes(pc, 4)
	if err != nil {
		return Replacement{}, err
	}
	offset, err := f.Offset(pc, 4)
	return Replacement{Offset: offset, PC: pc, Before: binary.LittleEndian.Uint32(before), After: after}, err
}

// Copy copies an executable and replaces words in the copy. It is an error if the copy exists
// already. If a word is not the Before of its Replacement, the error wraps ErrChanged. A
// copy that cannot be finished is removed. A changed copy of a Mach-O file gets a new ad-hoc
// signature, because macOS does not run arm64 code without one.
func Copy(from, to string, words ...Replacement) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return copyFile(to, in, words...)
}

// copyFile is Copy from an open file.
func copyFile(path string, in *os.File, words ...Replacement) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o700)
	if err != nil {
		return err
	}
	err = copyAndReplace(out, in, words)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		os.Remove(path)
	}
	return err
}

// copyAndReplace copies in to out, replaces words in out, and signs it.
func copyAndReplace(out, in *os.File, words []Replacement) error {
	info, err := in.Stat()
	if err != nil {
		return err
	}
	// A SectionReader does not move the offset of in, of which several copies may be made at
	// the same time.
	if _, err := io.Copy(out, io.NewSectionReader(in, 0, info.Size())); err != nil {
		return err
	}
	for _, w := range words {
		before := make([]byte, 4)
		if _, err := out.ReadAt(before, w.Offset); err != nil {
			return fmt.Errorf("word at offset %#x: %w", w.Offset, err)
		}
		if got := binary.LittleEndian.Uint32(before); got != w.Before {
			return fmt.Errorf("word at offset %#x: %08x, not %08x: %w", w.Offset, got, w.Before, ErrChanged)
		}
		if _, err := out.WriteAt(binary.LittleEndian.AppendUint32(nil, w.After), w.Offset); err != nil {
			return err
		}
	}
	if len(words) == 0 {
		return nil
	}
	return signMachO(out)
}
