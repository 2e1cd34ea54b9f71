package main

import (
	"bufio"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/labtest"
	"splitadd/internal/objfile/objtest"
)

// TestScanLarge scans a file of 2 GB, and one of an eighth of that. Their costs for each
// byte are about the same.
func TestScanLarge(t *testing.T) {
	labtest.Long(t, "makes a file of 2 GB")
	scan := func(size int) time.Duration {
		path := filepath.Join(t.TempDir(), "large")
		f, err := os.Create(path)
		require.NoError(t, err)
		w := bufio.NewWriter(f)
		require.NoError(t, objtest.LargeExecutable(size).Write(w))
		require.NoError(t, w.Flush())
		require.NoError(t, f.Close())
		cmd, stdout, stderr := splitadd(t, "scan", path)
		require.NoError(t, cmd.Run(), "%s%s", stdout, stderr)
		require.Contains(t, stdout.String(), ": 0 windows\n")
		used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		t.Logf("%d MB: %.2f s of processor time", size>>20, used.Seconds())
		return used
	}
	small, large := scan(1<<28), scan(1<<31)
	assert.Less(t, large.Seconds(), 1.5*8*small.Seconds())
}
