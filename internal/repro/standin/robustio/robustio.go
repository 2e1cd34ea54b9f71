// Package robustio stands in for github.com/rogpeppe/go-internal/robustio.
package robustio

import "os"

// Rename renames a file.
func Rename(from, to string) error { return os.Rename(from, to) }
