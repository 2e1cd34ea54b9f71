// Package mmap stands in for github.com/edsrzf/mmap-go. It reads files instead of mapping
// them.
package mmap

import (
	"io"
	"os"
)

// An MMap is the contents of a file.
type MMap []byte

// COPY says that changes do not reach the file.
const COPY = 1

// Map returns the contents of a file.
func Map(f *os.File, _, _ int) (MMap, error) { return io.ReadAll(f) }

// Unmap does nothing.
func (MMap) Unmap() error { return nil }
