// Package qemu finds QEMU's emulators and knows how their versions differ.
package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"splitadd/internal/hint"
	"splitadd/internal/lab/process"
)

// ErrNone is wrapped by the error of Find if there is no emulator.
var ErrNone = errors.New("no emulator for arm64")

// An Emulator is an emulator of QEMU whose version is known.
type Emulator struct {
	Path, Version string
	major, minor  int
}

var versionLine = regexp.MustCompile(`version (([0-9]+)\.([0-9]+)\.[0-9]+)`)

// Find finds an emulator: the one at a path, or, if that is "", the first of the
// usual names that is in PATH. The hint of its error says how to install one.
func Find(ctx context.Context, path string, usual []string, install string) (e Emulator, err error) {
	for _, name := range usual {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		return e, &hint.Error{Err: fmt.Errorf("%w: no %s in PATH", ErrNone, strings.Join(usual, ", no ")), Hint: install}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-version")
	process.InGroup(cmd)
	out, err := cmd.Output()
	match := versionLine.FindSubmatch(out)
	if err != nil || match == nil {
		return e, &hint.Error{
			Err:  fmt.Errorf("emulator %s: -version answered %q (%v)", path, bytes.TrimSpace(out[:min(len(out), 80)]), err),
			Hint: "is that QEMU? " + install,
		}
	}
	e = Emulator{Path: path, Version: string(match[1])}
	e.major, _ = strconv.Atoi(string(match[2]))
	e.minor, _ = strconv.Atoi(string(match[3]))
	return e, nil
}

// OneByOne returns the name of the flag, and of the monitor's command, that makes QEMU
// translate one instruction at a time.
func (e Emulator) OneByOne() string {
	if e.major < 8 || e.major == 8 && e.minor < 1 {
		return "singlestep"
	}
	return "one-insn-per-tb"
}
