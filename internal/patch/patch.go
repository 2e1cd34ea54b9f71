// Package patch makes modified copies of executables. In a pinned copy, threads wait at
// one instruction. In a repaired copy, the stack pointer and the frame pointer never hold
// the partial sum of two ADDs.
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

// Pin writes to out a copy of the file whose instruction at pc is replaced by a branch to
// itself. A goroutine that gets there stays until it is preempted, and comes back to it.
//
// It is an error if pc is not an instruction boundary of a function in the
// function table, or if out exists.
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
	word, err := WordAt(f, pc, arm64.BranchSelf)
	if err == nil {
		err = create(out, f.Source(), word)
	}
	if err != nil {
		return fmt.Errorf("pin at %#x: %w", pc, err)
	}
	return nil
}

// A Word is an instruction of a file that is replaced by another.
type Word struct {
	Offset        int64 // in the file
	PC            uint64
	Before, After uint32
}

// WordAt returns the replacement of the instruction at an address.
func WordAt(f *objfile.File, pc uint64, after uint32) (Word, error) {
	before, err := f.Bytes(pc, 4)
	if err != nil {
		return Word{}, err
	}
	offset, err := f.Offset(pc, 4)
	return Word{Offset: offset, PC: pc, Before: binary.LittleEndian.Uint32(before), After: after}, err
}

// Copy copies an executable and replaces words of the copy. It is an error if the
// copy exists already, or if a word is not what it was before. A copy that cannot
// be finished is removed. A changed copy of a Mach-O file gets a new ad-hoc signature:
// macOS does not run arm64 code without one.
func Copy(from, to string, words ...Word) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return create(to, in, words...)
}

// create does the work of Copy, from an open file.
func create(path string, in *os.File, words ...Word) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o700)
	if err != nil {
		return err
	}
	err = fill(out, in, words)
	if closing := out.Close(); err == nil {
		err = closing
	}
	if err != nil {
		os.Remove(path)
	}
	return err
}

// fill copies in to out, replaces words there, and signs it.
func fill(out, in *os.File, words []Word) error {
	info, err := in.Stat()
	if err != nil {
		return err
	}
	// It reads at offsets, since several pins of one open file may be made at a time.
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
	return sign(out)
}
