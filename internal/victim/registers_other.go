//go:build !arm64
// +build !arm64

package victim

// framePointer is measured only on arm64.
func framePointer() int64 { return 0 }
