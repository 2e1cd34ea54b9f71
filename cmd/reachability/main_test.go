package main

import (
	"bytes"
	"context"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"splitadd/internal/program"
)

// TestUsage shows which command lines are refused, and that -draw needs records.
func TestUsage(t *testing.T) {
	run := func(args ...string) error { return run(context.Background(), args, new(bytes.Buffer)) }
	require.ErrorIs(t, run(), program.ErrUsage)
	require.ErrorIs(t, run("-o", t.TempDir(), "-only", "nothing"), program.ErrUsage)
	require.ErrorIs(t, run("-o", t.TempDir(), "-nothing"), program.ErrUsage)
	require.ErrorIs(t, run("-o", t.TempDir(), "-draw"), fs.ErrNotExist)
}
