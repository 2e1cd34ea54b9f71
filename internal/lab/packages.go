package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/dustin/go-humanize/english"

	"splitadd/internal/hint"
	"splitadd/internal/lab/process"
)

// A Command is a package main that was built.
type Command struct {
	ImportPath string
	File       string // the executable
}

// BuildPackages builds the commands that a pattern names, relative to dir, with the go
// command in PATH and its settings. It builds for arm64 and the environment's GOOS, or
// Linux if that is not set. The executables are below the folder out. If some commands
// cannot be built, it returns the others with the error.
func BuildPackages(ctx context.Context, out, dir, pattern string) ([]Command, error) {
	shown := pattern
	if dir != "" {
		shown = filepath.Join(dir, pattern)
	}
	list, err := goCommand(ctx, dir, "list", "-f", `{{if eq .Name "main"}}{{.ImportPath}}{{end}}`, "--", pattern)
	if err != nil {
		return nil, noPackage(ctx, shown, err)
	}
	paths := strings.Fields(list)
	if len(paths) == 0 {
		return nil, &hint.Error{Err: fmt.Errorf("%s: no command among the packages", shown), Hint: "name packages of commands: package main"}
	}
	var built []Command
	for i, batch := range batches(paths) {
		// Each batch has its own folder, because an executable has only the package's
		// last name.
		folder := filepath.Join(out, fmt.Sprint(i))
		args := append([]string{"build", "-o", folder + string(filepath.Separator), "--"}, batch...)
		if _, failed := goCommand(ctx, dir, args...); failed != nil {
			if ctx.Err() != nil {
				return built, ctx.Err()
			}
			err = errors.Join(err, &hint.Error{Err: fmt.Errorf("go build %s for %s/arm64: %w", shown, goos(), failed), Hint: "packages with cgo need a cross compiler in CC and CGO_ENABLED=1"})
		}
		for _, importPath := range batch {
			for _, suffix := range []string{"", ".exe"} {
				file := filepath.Join(folder, executable(importPath)+suffix)
				if _, missing := os.Stat(file); missing == nil {
					built = append(built, Command{importPath, file})
				}
			}
		}
	}
	if err == nil && len(built) != len(paths) {
		err = fmt.Errorf("go build %s: %s gave %s", shown, english.Plural(len(paths), "command", ""), english.Plural(len(built), "executable", ""))
	}
	return built, err
}

// batches divides packages into groups. No two packages of a group have executables of
// the same name.
func batches(importPaths []string) (batches [][]string) {
	seen := map[string]int{}
	for _, p := range importPaths {
		n := seen[executable(p)]
		seen[executable(p)]++
		if n == len(batches) {
			batches = append(batches, nil)
		}
		batches[n] = append(batches[n], p)
	}
	return batches
}

var majorVersion = regexp.MustCompile(`^v([2-9]|[1-9][0-9]+)$`)

// executable returns the name that the go command gives to a command's executable
// (cmd/go/internal/load, DefaultExecName).
func executable(importPath string) string {
	base := path.Base(importPath)
	if dir := path.Dir(importPath); majorVersion.MatchString(base) && dir != "." {
		base = path.Base(dir)
	}
	return base
}

// noPackage is the error for a pattern that the go command does not know.
func noPackage(ctx context.Context, pattern string, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return &hint.Error{Err: fmt.Errorf("%s: no such file, and a package needs the go command: %w", pattern, err), Hint: "name a binary or a folder, or install Go"}
	case strings.Contains(pattern, "...") || pattern == ".":
		return &hint.Error{Err: fmt.Errorf("%s: go list: %w", pattern, err), Hint: "package patterns are those of the go command, relative to this folder"}
	}
	return &hint.Error{Err: fmt.Errorf("%s: no such file, and no such package: %w", pattern, err), Hint: "name a binary, a folder, or a package pattern as the go command takes it"}
}

// goCommand runs the go command in PATH in a folder, for arm64, and returns what it
// prints. The error has the line of the output that gives the reason. "go list" prints
// advice after this line, and "go build" prints the names of packages before it.
func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "GOOS="+goos(), "GOARCH=arm64")
	var out, text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &text
	err := runGo(cmd)
	var exit *exec.ExitError
	if args[0] == "list" && errors.As(err, &exit) {
		for _, line := range strings.Split(text.String(), "\n") {
			if line != "" && !strings.HasPrefix(line, "go: downloading ") {
				return "", errors.New(strings.TrimSuffix(line, "; to add it:"))
			}
		}
	}
	if err != nil {
		return "", fmt.Errorf("%w%s", err, process.LastLine(text.String()))
	}
	return out.String(), nil
}

func goos() string {
	if goos := os.Getenv("GOOS"); goos != "" {
		return goos
	}
	return "linux"
}
