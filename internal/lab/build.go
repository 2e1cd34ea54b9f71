package lab

import (
	"context"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"splitadd/internal/hint"
	"splitadd/internal/lab/cache"
	"splitadd/internal/lab/process"
	"splitadd/internal/lab/vm/agent"
	"splitadd/internal/patch"
	"splitadd/internal/victim"
)

// A Target is what guests are built for.
type Target struct{ OS, Arch string }

func (t Target) String() string { return t.OS + "/" + t.Arch }

// A module is the source of a program of splitadd's, as a separate Go module.
type module struct {
	language string              // of its go.mod
	sources  map[string]embed.FS // by folder
	program  string              // the package of its command
}

var (
	guestModule = module{"1.18", map[string]embed.FS{"internal/victim": victim.Source}, "./internal/victim/guest"}
	initModule  = module{"1.21", map[string]embed.FS{"internal/lab/process": process.Source, "internal/lab/vm/agent": agent.Source}, "./internal/lab/vm/agent/init"}
)

// Build builds the stand-alone guest with a toolchain and copies it to out.
func Build(ctx context.Context, t *Toolchain, target Target, out string) error {
	return t.build(ctx, guestModule, target, out)
}

// BuildInit builds the init of a virtual machine with the go command in PATH.
func BuildInit(ctx context.Context, out string) error {
	t, err := Resolve(ctx, "local")
	if err != nil {
		return err
	}
	return t.build(ctx, initModule, Target{"linux", "arm64"}, out)
}

// to returns the toolchain with an environment that builds for a target, without cgo.
func (t *Toolchain) to(target Target) *Toolchain {
	build := *t
	build.env = append(slices.Clone(t.env), "GOOS="+target.OS, "GOARCH="+target.Arch, "CGO_ENABLED=0")
	return &build
}

// build builds a module's program and copies it to out.
//
// The source and the built program stay in the user's cache folder, by toolchain,
// target and flags. For a tree the flags name its own build cache. The go command
// decides whether the program there is up to date.
func (t *Toolchain) build(ctx context.Context, m module, target Target, out string) error {
	folder, err := cache.Folder()
	if err != nil {
		return err
	}
	source, err := m.write(folder)
	if err != nil {
		return err
	}
	name := path.Base(m.program)
	flags := []string{"build", "-trimpath"}
	key := sha256.Sum256(fmt.Append(nil, t.command, t.env, t.Version, target, flags, filepath.Base(source)))
	dir := filepath.Join(folder, fmt.Sprintf("%s-%x", name, key[:8]))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	unlock, err := cache.Lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	built := filepath.Join(dir, name)
	if _, err := t.to(target).run(ctx, source, append(flags, "-o", built, m.program)...); err != nil {
		return &hint.Error{Err: fmt.Errorf("%s: the %s for %s %w: %w", t.Version, name, target, ErrUnbuildable, err), Hint: "is there room in the temporary folder and in " + folder + "? TMPDIR and XDG_CACHE_HOME name others"}

	}
	if err := patch.Copy(built, out); err != nil {
		return &hint.Error{Err: fmt.Errorf("copy of the %s: %w", name, err), Hint: "is there room in the temporary folder? TMPDIR names another"}
	}
	return nil
}

// BuildMain builds a program of one file, and returns the path of the executable. The
// source has to be in the language of Go 1.18. Source and executable are written to dir.
func BuildMain(ctx context.Context, t *Toolchain, target Target, source []byte, dir string) (string, error) {
	for name, data := range map[string][]byte{"main.go": source, "go.mod": []byte("module reproducer\n\ngo 1.18\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return "", err
		}
	}
	if _, err := t.to(target).run(ctx, dir, "build", "-o", "reproducer", "."); err != nil {
		return "", &hint.Error{Err: fmt.Errorf("%s: build for %s: %w", t.Version, target, err), Hint: "is there room in the temporary folder? TMPDIR names another"}
	}
	return filepath.Join(dir, "reproducer"), nil
}

// write writes the module below the cache folder and returns its folder. The folder is
// named by its contents, and complete as soon as it exists.
func (m module) write(folder string) (string, error) {
	hash := sha256.New()
	files := map[string][]byte{"go.mod": []byte("module splitadd\n\ngo " + m.language + "\n")}
	for _, root := range slices.Sorted(maps.Keys(m.sources)) {
		source := m.sources[root]
		err := fs.WalkDir(source, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := source.ReadFile(path)
			fmt.Fprintf(hash, "%s/%s %d\n%s", root, path, len(data), data)
			files[filepath.Join(filepath.FromSlash(root), filepath.FromSlash(path))] = data
			return err
		})
		if err != nil {
			return "", err
		}
	}
	hash.Write(files["go.mod"])
	dir := filepath.Join(folder, fmt.Sprintf("source-%x", hash.Sum(nil)[:8]))
	return dir, cache.MakeOnce(dir, func(made, _ string) error {
		for name, data := range files {
			name = filepath.Join(made, name)
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(name, data, 0o644); err != nil {
				return err
			}
		}
		return nil
	})
}
