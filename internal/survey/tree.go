package survey

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// A Result is what became of one file.
type Result struct {
	Path   string
	Binary *Binary // nil where there is an error
	Err    error   // wraps ErrOther for a file that is not a Go binary for arm64
}

// ForeignArch is the error for a Go binary for another architecture. It wraps
// ErrOther.
type ForeignArch struct {
	Arch string // GOARCH, or "another architecture" if the binary does not say
}

func (e ForeignArch) Error() string { return "Go binary for " + e.Arch }

// Unwrap returns ErrOther.
func (e ForeignArch) Unwrap() error { return ErrOther }

// goBinary returns a more exact error if a file that File calls ErrOther says that
// Go built it: a ForeignArch, or for arm64 one that is not ErrOther.
func goBinary(path string, other error) error {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return other
	}
	arch := "another architecture" // Go 1.17 and older do not say
	for _, s := range info.Settings {
		if s.Key == "GOARCH" {
			arch = s.Value
		}
	}
	if arch == "arm64" {
		return fmt.Errorf("%s: a Go binary for arm64 that cannot be read: %v", path, other)
	}
	return fmt.Errorf("%s: %w", path, ForeignArch{arch})
}

// Files returns the files that a path names: itself, or if it is a folder, or a
// link to one, all regular files below it, in lexical order. Links are not followed
// below it. What cannot be read on the way is reported, and passed over.
func Files(root string, unreadable func(error)) (paths []string, err error) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{root}, nil
	}
	folder, err := filepath.EvalSymlinks(root) // WalkDir does not follow a link
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			unreadable(err)
		case d.Type().IsRegular():
			below, err := filepath.Rel(folder, path)
			if err != nil {
				return err
			}
			paths = append(paths, filepath.Join(root, below))
		}
		return nil
	})
	return paths, err
}

// Each surveys files, as many at a time as there are processors, and gives the
// results to done in the order of the paths, one at a time.
func Each(ctx context.Context, paths []string, all bool, done func(Result) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0) + 1) // and the one that gives them on
	results := make([]chan Result, len(paths))
	for i := range results {
		results[i] = make(chan Result, 1)
	}
	group.Go(func() error {
		for _, result := range results {
			select {
			case r := <-result:
				if err := done(r); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for i, path := range paths {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			b, err := File(path, all)
			if errors.Is(err, ErrOther) {
				err = goBinary(path, err)
			}
			results[i] <- Result{path, b, err}
			return nil
		})
	}
	return group.Wait()
}
