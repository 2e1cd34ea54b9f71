//go:build !linux

package core

import "os"

// nextData returns everything. Only on Linux are holes looked for.
func nextData(_ *os.File, at, end int64) (from, to int64) { return at, end }
