// Package labtest gives tests guests of real toolchains.
package labtest

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"splitadd/internal/lab"
	"splitadd/internal/objfile"
)

// Guest builds the stand-alone guest for linux/arm64 with a toolchain, by a
// name as lab.Resolve takes it, and returns where it is.
func Guest(tb testing.TB, toolchain string) string {
	tb.Helper()
	t, err := lab.Resolve(context.Background(), toolchain)
	require.NoError(tb, err)
	path := filepath.Join(tb.TempDir(), "guest")
	require.NoError(tb, lab.Build(context.Background(), t, lab.Target{OS: "linux", Arch: "arm64"}, path))
	return path
}

// Open opens a guest as Guest builds it.
func Open(tb testing.TB, toolchain string) *objfile.File {
	tb.Helper()
	f, err := objfile.Open(Guest(tb, toolchain))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, f.Close()) })
	return f
}
