// Package lab builds guests with a toolchain and runs them on an engine: the
// machine itself, if it is arm64, or an emulator.
package lab

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"go/version"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"splitadd/internal/hint"
	"splitadd/internal/lab/cache"
	"splitadd/internal/lab/process"
)

// A Toolchain is one Go release or tree.
type Toolchain struct {
	Name    string // the name that Resolve was given
	Version string // what it says: "go1.27.4", or more for a development version
	command string // its go command
	env     []string
}

// ErrUnavailable is wrapped by the error of Resolve for a release that the go
// command cannot fetch or run.
var ErrUnavailable = errors.New("not available")

// release matches the name of a release or pre-release.
var release = regexp.MustCompile(`^go1\.[0-9]+(\.[0-9]+)?((rc|beta)[0-9]+)?$`)

// fetchTime bounds the fetching of a toolchain.
const fetchTime = 5 * time.Minute

// Resolve finds a toolchain by its name on the command line. "local" is the go command
// in PATH. "go1.23.4" is a release, which the go command fetches if necessary. Any
// other name is the GOROOT of an unpacked or built tree.
func Resolve(ctx context.Context, name string) (*Toolchain, error) {
	t, advice, err := locate(ctx, name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	out, err := t.run(ctx, os.TempDir(), "env", "GOVERSION", "GOROOT")
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			advice = "install Go, or name a GOROOT"
		}
		if release.MatchString(name) {
			err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return nil, &hint.Error{Err: fmt.Errorf("toolchain %s: %w", name, err), Hint: advice}
	}
	out, root, _ := strings.Cut(strings.TrimSpace(out), "\n")
	t.Version = strings.TrimSpace(out)
	if err := tooOld(name, strings.TrimPrefix(t.Version, "devel ")); err != nil {
		return nil, err
	}
	if version.Lang(t.Version) == "go1.19" {
		// The newer go command puts the GOROOT below the module cache. The older
		// one indexes it there as a module, and finds no package
		// (cmd/go/internal/modindex, Module.Import).
		t.env = append(t.env, "GODEBUG=goindex=0")
	}
	if release.MatchString(name) && t.Version != name {
		return nil, &hint.Error{Err: fmt.Errorf("toolchain %s: the go command ran %q instead", name, t.Version), Hint: advice}
	}
	if !release.MatchString(name) {
		if err := t.keepApart(strings.TrimSpace(root)); err != nil {
			return nil, &hint.Error{Err: fmt.Errorf("toolchain %s: %w", name, err), Hint: advice}
		}
	}
	return t, nil
}

// locate finds the go command of a toolchain, and what the user can do if that command
// does not run.
func locate(ctx context.Context, name string) (t *Toolchain, advice string, err error) {
	t = &Toolchain{Name: name, command: "go", env: []string{"GOTOOLCHAIN=local"}}
	switch {
	case name == "local":
		return t, nameHint, nil
	case release.MatchString(name):
		t.env[0] = "GOTOOLCHAIN=" + name
		advice = "is that a release, and can the go command reach its module proxy? GOTOOLCHAIN=" + name + " go version says more"
		return t, advice, misnamed(ctx, name)
	}
	root, err := filepath.Abs(name)
	if err != nil {
		return nil, "", err
	}
	t.command = filepath.Join(root, "bin", "go")
	t.env = append(t.env, "GOROOT="+root)
	if _, err := os.Stat(t.command); err != nil {
		if err := misnamed(ctx, name); err != nil {
			return nil, "", err
		}
		return nil, "", &hint.Error{Err: fmt.Errorf("toolchain %s: neither a release nor a GOROOT: no bin/go in it", name), Hint: nameHint}
	}
	return t, "is bin/go of that tree built for this machine?", nil
}

// userInfo matches a user and a password in a URL.
var userInfo = regexp.MustCompile(`://[^/\s'"@]+@`)

// Settings returns what "go env" prints in a folder for a build for a target. It removes
// passwords from URLs, since the result is shown to others.
func (t *Toolchain) Settings(ctx context.Context, target Target, dir string) (string, error) {
	text, err := t.to(target).run(ctx, dir, "env")
	return userInfo.ReplaceAllString(text, "://***@"), err
}

// keepApart gives a toolchain that is not a fetched release its own build cache, named by
// the contents of its tools. If the version of a compiler is that of a release, the go
// command identifies the compiler by its version alone (cmd/go/internal/work, toolID).
// With a shared cache, the go command would use the output of a patched tree's compiler
// for the release, or for the same tree with another patch.
func (t *Toolchain) keepApart(root string) error {
	folder, err := cache.Folder()
	if err != nil {
		return err
	}
	hash := sha256.New()
	for _, name := range []string{"compile", "asm", "link"} {
		tools, err := filepath.Glob(filepath.Join(root, "pkg", "tool", "*", name))
		if err != nil {
			return err
		}
		for _, tool := range tools {
			file, err := os.Open(tool)
			if err != nil {
				return err
			}
			_, err = io.Copy(hash, file)
			file.Close()
			if err != nil {
				return err
			}
		}
	}
	t.env = append(t.env, "GOCACHE="+filepath.Join(folder, fmt.Sprintf("%s%x", treeCache, hash.Sum(nil)[:8])))
	return nil
}

// treeCache begins the names of the build caches of trees.
const treeCache = "tree-"

// run runs the go command in a folder and returns what it prints. If it fails, the error
// ends with the line that gives the reason.
//
// The environment is that of this process, without variables that would change which
// toolchain runs or how it builds. GOROOT is set for the programs that "go run" and "go
// test" start. GOFLAGS is replaced, since an older release may reject the user's flags.
// It is not empty, since the go command would then read the flags from the user's file
// of settings.
func (t *Toolchain) run(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, t.command, args...)
	cmd.Dir = dir
	for _, v := range os.Environ() {
		switch name, _, _ := strings.Cut(v, "="); name {
		case "GOROOT", "GOTOOLDIR", "GOFLAGS", "GOWORK", "GOTOOLCHAIN", "GOOS", "GOARCH", "CGO_ENABLED", "GO111MODULE", "GOTOOLCHAIN_INTERNAL_SWITCH_COUNT", "GOTOOLCHAIN_INTERNAL_SWITCH_VERSION":
		default:
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, t.env...)
	cmd.Env = append(cmd.Env, "GOFLAGS=-trimpath", "GOWORK=off")
	var out, text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &text
	if err := runGo(cmd); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("go %s: %w%s", args[0], err, process.LastLine(text.String()))
	}
	return out.String(), nil
}

// runGo runs the go command, or a command that runs it, in its own process group and
// with its own temporary folder, which it removes: a go command that is killed leaves
// its files there. The command's environment must be set.
func runGo(cmd *exec.Cmd) error {
	temporary, err := os.MkdirTemp(os.Getenv("GOTMPDIR"), "splitadd-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	cmd.Env = append(cmd.Env, "GOTMPDIR="+temporary)
	process.InGroup(cmd)
	return cmd.Run()
}
