package objfile_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/edsrzf/mmap-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/budget"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/objfile"
)

// TestGuard tests that each failure becomes an error that names the file.
func TestGuard(t *testing.T) {
	f, err := objfile.Parse("some/file", make([]byte, 0))
	require.ErrorIs(t, err, objfile.ErrFormat)
	require.Nil(t, f)
	f = &objfile.File{Path: "some/file", Budget: budget.New(context.Background(), budget.Default, 0)}
	require.NoError(t, f.Guard(func() error { return nil }))
	require.EqualError(t, f.Guard(func() error { return errors.New("reason") }), "some/file: reason")
	require.EqualError(t, f.Guard(func() error { return errors.New("some/file: reason") }), "some/file: reason")
	err = f.Guard(func() error { f.Budget.Work(1 << 40); return nil })
	require.ErrorIs(t, err, budget.ErrExceeded)
	require.ErrorContains(t, err, "some/file: more than ")
	var none []byte
	err = f.Guard(func() error { none[len(f.Path)]++; return nil })
	require.ErrorIs(t, err, objfile.ErrPanic)
	require.Regexp(t, `^some/file: bug in splitadd: panic: runtime error: index out of range \[9\] with length 0 at guard_test.go:\d+$`, err.Error())
}

// TestCutOffWhileParsed cuts a file off before its headers are read.
func TestCutOffWhileParsed(t *testing.T) {
	path := labtest.Guest(t, "local")
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	mapped, err := mmap.Map(file, mmap.COPY, 0)
	require.NoError(t, err)
	defer func() { assert.NoError(t, mapped.Unmap()) }()
	require.NoError(t, os.Truncate(path, 0))
	_, err = objfile.ParseWithLimits(context.Background(), path, mapped, budget.Default)
	require.ErrorIs(t, err, objfile.ErrChanged)
	require.ErrorContains(t, err, path)
}
