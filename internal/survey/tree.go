package survey

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"

	"splitadd/internal/budget"
)

// A Result is the survey of one file, or the error.
type Result struct {
	Path   string  // of the file, or how it is shown if it is in an archive
	Binary *Binary // nil if there is an error
	Err    error   // wraps ErrNotArm64Go for a file that is not a Go binary for arm64
}

// ListFiles returns the files that a path names. If the path is a folder or a link to one,
// these are all regular files below it, in lexical order; links below it are not
// followed. Otherwise it is the path itself. ListFiles passes each error on the way
// to unreadable, and goes on.
func ListFiles(root string, unreadable func(error)) (paths []string, err error) {
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

// ScanAll surveys files, as many at a time as there are processors, and gives the
// results to done in the order of the paths, one at a time.
func ScanAll(ctx context.Context, paths []string, all bool, done func(Result) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0) + 1) // one more passes the results on
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
			b, err := ScanFile(ctx, path, all, budget.Default)
			results[i] <- Result{path, b, err}
			return nil
		})
	}
	return group.Wait()
}
