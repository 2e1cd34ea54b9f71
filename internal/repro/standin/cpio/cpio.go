// Package cpio stands in for github.com/cavaliergopher/cpio. It writes archives in the
// format "newc", which Linux unpacks when it boots
// (Documentation/driver-api/early-userspace/buffer-format.rst).
package cpio

import (
	"fmt"
	"io"
)

// A FileMode is the type of a file and its permissions.
type FileMode uint32

// Types of files.
const (
	TypeReg     FileMode = 0o100000
	TypeDir     FileMode = 0o040000
	TypeSymlink FileMode = 0o120000
)

// A Header describes a file.
type Header struct {
	Name  string
	Mode  FileMode
	Links int
	Size  int64 // bytes
}

// A Writer writes an archive.
type Writer struct {
	w     io.Writer
	inode int
	at    int64 // bytes written
	err   error
}

// NewWriter returns a writer.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// WriteHeader begins a file.
func (w *Writer) WriteHeader(h *Header) error {
	w.pad()
	w.inode++
	w.write(fmt.Appendf(nil, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		w.inode, h.Mode, 0, 0, max(h.Links, 1), 0, h.Size, 0, 0, 0, 0, len(h.Name)+1, 0, h.Name))
	w.pad()
	return w.err
}

// Write adds to the file's contents.
func (w *Writer) Write(p []byte) (int, error) {
	w.write(p)
	return len(p), w.err
}

// Close ends the archive.
func (w *Writer) Close() error {
	err := w.WriteHeader(&Header{Name: "TRAILER!!!"})
	w.pad()
	return err
}

// pad writes zeros up to a multiple of 4 bytes.
func (w *Writer) pad() { w.write(make([]byte, -w.at&3)) }

func (w *Writer) write(p []byte) {
	if w.err == nil {
		_, w.err = w.w.Write(p)
		w.at += int64(len(p))
	}
}
