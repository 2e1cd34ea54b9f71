// Package cache keeps things in the user's cache folder, so that they are made only
// once: sources, built guests, unpacked packages, archives for virtual machines.
package cache

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"

	"splitadd/internal/hint"
)

// Folder returns the cache folder of splitadd. It makes the folder if necessary.
func Folder() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", &hint.Error{Err: fmt.Errorf("no folder for built guests: %w", err), Hint: "set HOME or XDG_CACHE_HOME"}
	}
	cache = filepath.Join(cache, "splitadd")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", &hint.Error{Err: fmt.Errorf("no folder for built guests: %w", err), Hint: "XDG_CACHE_HOME names another place for it"}
	}
	return cache, nil
}

// MakeOnce makes a folder, unless it exists. The function fill writes the contents of
// the folder into made. It may use the folder scratch for other files, which are
// removed. The folder is complete as soon as it exists, even if another process makes
// it at the same time.
func MakeOnce(dir string, fill func(made, scratch string) error) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(filepath.Dir(dir), "half-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	made := filepath.Join(scratch, "made")
	if err := os.Mkdir(made, 0o755); err != nil {
		return err
	}
	if err := fill(made, scratch); err != nil {
		return err
	}
	if err := os.Rename(made, dir); err != nil {
		if _, there := os.Stat(dir); there != nil {
			return err
		}
	}
	return nil
}

// Forget removes the files and folders that match a pattern and are more than a day old.
// It is for large ones, which are made again when they are needed.
func Forget(pattern string) {
	names, _ := filepath.Glob(pattern)
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
			os.RemoveAll(name)
		}
	}
}

// Lock takes a lock file, and waits while another process has it.
func Lock(ctx context.Context, name string) (unlock func(), err error) {
	type result struct {
		unlock func()
		err    error
	}
	done := make(chan result)
	go func() {
		unlock, err := lockedfile.MutexAt(name).Lock()
		select {
		case done <- result{unlock, err}:
		case <-ctx.Done(): // too late
			if err == nil {
				unlock()
			}
		}
	}()
	select {
	case r := <-done:
		return r.unlock, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
