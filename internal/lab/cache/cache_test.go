package cache

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMakeOnce(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "none", "yet")
	dir := filepath.Join(parent, "dir")
	broken := errors.New("broken")
	require.ErrorIs(t, MakeOnce(dir, func(string, string) error { return broken }), broken)
	require.NoDirExists(t, dir)
	made := 0
	for range 2 {
		require.NoError(t, MakeOnce(dir, func(folder, scratch string) error {
			made++
			require.NoError(t, os.WriteFile(filepath.Join(scratch, "rubbish"), nil, 0o600))
			return os.WriteFile(filepath.Join(folder, "file"), nil, 0o600)
		}))
	}
	assert.Equal(t, 1, made)
	assert.FileExists(t, filepath.Join(dir, "file"))
	assert.NoFileExists(t, filepath.Join(dir, "rubbish"))
	entries, err := os.ReadDir(parent)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "what was scratch is gone")
}

// TestForget removes what is older than a day.
func TestForget(t *testing.T) {
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{"a-old": 25 * time.Hour, "a-new": 23 * time.Hour, "b-old": 25 * time.Hour} {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, nil, 0o600))
		then := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(name, then, then))
	}
	Forget(filepath.Join(dir, "a-*"))
	assert.NoFileExists(t, filepath.Join(dir, "a-old"))
	assert.FileExists(t, filepath.Join(dir, "a-new"))
	assert.FileExists(t, filepath.Join(dir, "b-old"))
}
