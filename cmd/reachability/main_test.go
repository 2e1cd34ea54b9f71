package main

import (
	"bytes"
	"context"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUsage shows which command lines are refused, and that -draw needs records.
func TestUsage(t *testing.T) {
	run := func(args ...string) error { return run(context.Background(), args, new(bytes.Buffer)) }
	require.ErrorIs(t, run(), errUsage)
	require.ErrorIs(t, run("-o", t.TempDir(), "-only", "nothing"), errUsage)
	require.ErrorIs(t, run("-o", t.TempDir(), "-nothing"), errUsage)
	require.ErrorIs(t, run("-o", t.TempDir(), "-draw"), fs.ErrNotExist)
}
