//go:build !linux || !arm64
// +build !linux !arm64

package victim

import "errors"

// release always fails: only Linux on arm64 can put an instruction back.
func (p pin) release() error { return errors.New("want Linux on arm64") }
