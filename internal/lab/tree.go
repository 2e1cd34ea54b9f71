package lab

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"splitadd/internal/hint"
	"splitadd/internal/lab/cache"
	"splitadd/internal/lab/process"
)

// ErrUnbuildable is wrapped by the error of BuildTree for a tree that does not
// build, and by that of Build if the toolchain does not build the guest.
var ErrUnbuildable = errors.New("does not build")

// treeTime bounds the build of a toolchain.
const treeTime = time.Hour

// BuildTree brings the toolchain of a Go source tree up to date with its source. The
// tree's own go command builds compiler, assembler and linker. If there is none, or it
// fails, make.bash builds everything, starting with the go command in PATH. Both write
// to bin and pkg in the tree.
func BuildTree(ctx context.Context, root string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(root, "src", "make.bash")); err != nil {
		return &hint.Error{Err: fmt.Errorf("%s %w: not a Go source tree: no src/make.bash in it", root, ErrUnbuildable), Hint: "name the root of a checkout of the Go repository"}
	}
	ctx, cancel := context.WithTimeout(ctx, treeTime)
	defer cancel()
	folder, err := cache.Folder()
	if err != nil {
		return err
	}
	cache.Forget(filepath.Join(folder, treeCache+"*"))
	own := "GOCACHE=" + filepath.Join(folder, fmt.Sprintf("%sbuild-%x", treeCache, sha256.Sum256([]byte(root)))) // see keepApart
	t := &Toolchain{command: filepath.Join(root, "bin", "go"), env: []string{"GOTOOLCHAIN=local", "GOROOT=" + root, own}}
	if _, err := os.Stat(t.command); err == nil {
		_, err := t.run(ctx, filepath.Join(root, "src"), "install", "cmd/compile", "cmd/asm", "cmd/link")
		if err == nil {
			_, err = t.run(ctx, filepath.Join(root, "src"), "build", "-o", os.DevNull, "runtime") // does the toolchain work with this source?
		}
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
	}
	local, err := Resolve(ctx, "local")
	if err != nil {
		return err
	}
	bootstrap, err := local.run(ctx, root, "env", "GOROOT")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "bash", "make.bash")
	cmd.Dir = filepath.Join(root, "src")
	cmd.Env = append(os.Environ(), "GOROOT_BOOTSTRAP="+strings.TrimSpace(bootstrap), "GOTOOLCHAIN=local", "GOROOT=", "GOFLAGS=", "GOENV=off", own, "GOOS=", "GOARCH=")
	var text process.Tail
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := runGo(cmd); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &hint.Error{Err: fmt.Errorf("%s %w: %w%s", root, ErrUnbuildable, err, process.LastLine(text.String())), Hint: "src/make.bash says more"}
	}
	return nil
}
