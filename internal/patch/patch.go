// Package patch makes changed copies of executables.
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

// Pin writes to out a copy of the file whose instruction at pc is replaced by
// a branch to itself: a thread that gets there stays until it is preempted.
//
// It is an error if pc is not an instruction boundary of a function in the
// function table, or if out exists.
func Pin(f *objfile.File, pc uint64, out string) error {
	table, err := pclntab.Open(f)
	if err != nil {
		return err
	}
	fn, ok := table.Find(pc)
	if !ok {
		return fmt.Errorf("pin at %#x: in no function of %s", pc, f.Path)
	}
	if (pc-fn.Entry)%4 != 0 {
		return fmt.Errorf("pin at %#x: no instruction boundary of %s", pc, fn.Name())
	}
	offset, err := f.Offset(pc, 4)
	if err != nil {
		return fmt.Errorf("pin at %#x: %w", pc, err)
	}
	if err := Copy(f.Path, out, Word{offset, arm64.BranchSelf}); err != nil {
		return fmt.Errorf("pin at %#x: %w", pc, err)
	}
	return nil
}

// A Word is an instruction to write at an offset in a file.
type Word struct {
	Offset int64
	Word   uint32
}

// Copy copies an executable and overwrites words of the copy. It is an error
// if the copy is there already. What it cannot finish it removes. A changed
// copy of a Mach-O file is signed anew, ad hoc: macOS runs no arm64 code otherwise.
func Copy(from, to string, words ...Word) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o700)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(to)
		}
	}()
	_, err = io.Copy(out, in)
	for _, w := range words {
		if err == nil {
			_, err = out.WriteAt(binary.LittleEndian.AppendUint32(nil, w.Word), w.Offset)
		}
	}
	if err == nil && len(words) > 0 {
		err = sign(out)
	}
	if closing := out.Close(); err == nil {
		err = closing
	}
	return err
}
