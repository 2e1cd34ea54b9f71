package output_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/output"
)

// hello is a kind of file for the tests.
var hello = output.Kind{Name: "a greeting", Verify: func(r io.Reader) error {
	if data, err := io.ReadAll(r); err != nil || string(data) != "hello" {
		return errors.New("no hello")
	}
	return nil
}}

func write(t *testing.T, path, text string) {
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	write(t, file("old"), "hello")
	write(t, file("empty"), "")
	write(t, file("notes"), "my notes")
	require.NoError(t, os.Link(file("old"), file("hard")))
	require.NoError(t, os.Symlink("old", file("link")))

	for _, name := range []string{"none", "old", "empty"} {
		assert.NoError(t, output.Check(file(name), hello, file("notes"), file("missing")), name)
	}
	assert.ErrorIs(t, output.Check(file("old"), hello, file("notes"), file("old")), output.ErrInput)
	assert.ErrorIs(t, output.Check(file("hard"), hello, file("old")), output.ErrInput)
	assert.ErrorIs(t, output.Check(file("old"), hello, file("link")), output.ErrInput)
	err := output.Check(file("notes"), hello)
	assert.ErrorIs(t, err, output.ErrForeign)
	assert.EqualError(t, err, file("notes")+": it exists and holds something else: not a greeting: no hello")
	assert.ErrorIs(t, output.Check(dir, hello), output.ErrNotRegular)
	assert.EqualError(t, output.Check(file("link"), hello), file("link")+": not a regular file: a symbolic link to old")
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	require.NoError(t, output.Write(path, []byte("one")))
	require.NoError(t, os.Chmod(path, 0o640))
	failure := errors.New("failure")
	require.ErrorIs(t, output.Replace(path, 0o600, func(f *os.File) error {
		_, err := f.WriteString("half")
		return errors.Join(failure, err)
	}), failure)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "one", string(data))

	require.NoError(t, output.Write(path, []byte("two")))
	data, err = os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "two", string(data))
	if info, err := os.Stat(path); assert.NoError(t, err) && runtime.GOOS != "windows" {
		assert.EqualValues(t, 0o640, info.Mode().Perm(), "a file keeps its permissions")
	}

	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink("file", link))
	for _, path := range []string{link, dir, os.DevNull} {
		assert.ErrorIs(t, output.Write(path, []byte("three")), output.ErrNotRegular, path)
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 2, "no temporary file is left")
}
