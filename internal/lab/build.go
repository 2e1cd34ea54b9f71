package lab

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/lockedfile"

	"splitadd/internal/patch"
	"splitadd/internal/victim"
)

// A Target is what guests are built for.
type Target struct{ OS, Arch string }

func (t Target) String() string { return t.OS + "/" + t.Arch }

// moduleFile is the go.mod of the stand-alone guest.
const moduleFile = "module splitadd\n\ngo 1.18\n"

// Build builds the stand-alone guest with a toolchain and copies it to out.
//
// The guest's source, and what was built from it, stay in the user's cache
// folder, by toolchain, target and flags. The go command decides whether what
// is there is still what it would build: it knows the compiler's own contents,
// which a version does not tell for a tree under development.
func Build(ctx context.Context, t *Toolchain, target Target, out string) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return &Error{fmt.Errorf("no folder for built guests: %w", err), "set HOME or XDG_CACHE_HOME"}
	}
	cache = filepath.Join(cache, "splitadd")
	source, err := writeSource(cache)
	if err != nil {
		return err
	}
	flags := []string{"build", "-trimpath"}
	key := sha256.Sum256(fmt.Append(nil, t.command, t.env, t.Version, target, flags, filepath.Base(source)))
	dir := filepath.Join(cache, fmt.Sprintf("guest-%x", key[:8]))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	unlock, err := lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	guest := filepath.Join(dir, "guest")
	build := *t
	build.env = append(append([]string(nil), t.env...), "GOOS="+target.OS, "GOARCH="+target.Arch, "CGO_ENABLED=0")
	if _, err := build.run(ctx, source, append(flags, "-o", guest, "./internal/victim/guest")...); err != nil {
		return &Error{
			fmt.Errorf("%s: build of the guest for %s: %w", t.Version, target, err),
			"is there room in the temporary folder and in " + cache + "? TMPDIR and XDG_CACHE_HOME name others",
		}
	}
	if err := patch.Copy(guest, out); err != nil {
		return &Error{fmt.Errorf("copy of the guest: %w", err), "is there room in the temporary folder? TMPDIR names another"}
	}
	return nil
}

// BuildPackages builds the commands that patterns name, as they are seen from
// this process's folder, for arm64 and the environment's GOOS, or Linux, with
// the go command in PATH and its settings. The folder out receives them.
func BuildPackages(ctx context.Context, out string, patterns []string) error {
	goos := os.Getenv("GOOS")
	if goos == "" {
		goos = "linux"
	}
	args := append([]string{"build", "-o", out + string(filepath.Separator), "--"}, patterns...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=arm64")
	inGroup(cmd)
	text, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	names := strings.Join(patterns, " ")
	if err != nil {
		return &Error{
			fmt.Errorf("go build %s for %s/arm64: %w%s", names, goos, err, lastLine(string(text))),
			"is there a file, folder or package of that name? Packages with cgo need a cross compiler in CC and CGO_ENABLED=1",
		}
	}
	if files, err := os.ReadDir(out); err != nil || len(files) == 0 {
		return &Error{fmt.Errorf("go build %s: no command among the packages", names), "name packages of commands: package main"}
	}
	return nil
}

// writeSource writes the guest's module below the cache folder and returns
// where it is: a folder named by its contents, complete as soon as it is there.
func writeSource(cache string) (string, error) {
	hash := sha256.New()
	files := map[string][]byte{"go.mod": []byte(moduleFile)}
	err := fs.WalkDir(victim.Source, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := victim.Source.ReadFile(path)
		fmt.Fprintf(hash, "%s %d\n%s", path, len(data), data)
		files[filepath.Join("internal", "victim", filepath.FromSlash(path))] = data
		return err
	})
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, fmt.Sprintf("source-%x", hash.Sum(nil)[:8]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	half, err := os.MkdirTemp(cache, "half-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(half)
	for name, data := range files {
		name = filepath.Join(half, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			return "", err
		}
	}
	if err := os.Rename(half, dir); err != nil {
		if _, there := os.Stat(dir); there != nil {
			return "", err
		}
	}
	return dir, nil
}

// lock takes a lock file, waiting for whoever holds it.
func lock(ctx context.Context, name string) (unlock func(), err error) {
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
