package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// An Engine runs guests.
type Engine struct {
	Target   Target // what its guests are built for
	Evidence string // what it is, for the record: emulated figures say so

	emulator string // "" where the machine runs guests itself
	oneByOne string // the emulator's flag to look for signals after every instruction
}

// Emulated reports whether guests run under an emulator.
func (e *Engine) Emulated() bool { return e.emulator != "" }

// emulators are the names under which user-mode QEMU is installed.
var emulators = []string{"qemu-aarch64-static", "qemu-aarch64"}

var emulatorVersion = regexp.MustCompile(`version (([0-9]+)\.[0-9]+\.[0-9]+)`)

// ErrNoEngine is wrapped by the error of FindEngine where nothing can run an
// arm64 guest.
var ErrNoEngine = errors.New("no emulator for arm64")

const installHint = "install QEMU's user-mode emulator: apt-get install qemu-user-static on Debian and Ubuntu"

// FindEngine returns the native engine on arm64 machines, and elsewhere
// user-mode QEMU: the named emulator, or the one in PATH where the name is "".
func FindEngine(ctx context.Context, emulator string) (*Engine, error) {
	host := Target{runtime.GOOS, runtime.GOARCH}
	if emulator == "" && host.Arch == "arm64" && (host.OS == "linux" || host.OS == "darwin") {
		return &Engine{Target: host, Evidence: "native " + host.String()}, nil
	}
	for _, name := range emulators {
		if path, err := exec.LookPath(name); err == nil && emulator == "" {
			emulator = path
		}
	}
	if emulator == "" {
		return nil, &Error{fmt.Errorf("%w: neither %s is in PATH", ErrNoEngine, strings.Join(emulators, " nor ")), installHint}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, emulator, "-version")
	inGroup(cmd)
	out, err := cmd.Output()
	match := emulatorVersion.FindSubmatch(out)
	if err != nil || match == nil {
		return nil, &Error{
			fmt.Errorf("emulator %s: -version answered %q (%v)", emulator, bytes.TrimSpace(out[:min(len(out), 80)]), err),
			"is that user-mode QEMU? " + installHint,
		}
	}
	e := &Engine{
		Target:   Target{"linux", "arm64"},
		Evidence: fmt.Sprintf("emulated: qemu-aarch64 %s, user mode, on %s", match[1], host),
		emulator: emulator,
		oneByOne: "-one-insn-per-tb",
	}
	if major, _ := strconv.Atoi(string(match[2])); major < 8 {
		e.oneByOne = "-singlestep"
	}
	return e, nil
}

// command returns the command line that runs a guest. A raced guest must take
// signals at every instruction boundary: QEMU delivers them only between
// translation blocks, and a whole epilogue is one.
func (e *Engine) command(job Job) []string {
	line := append([]string{job.Path}, job.Args...)
	if !e.Emulated() {
		return line
	}
	if job.Raced {
		return append([]string{e.emulator, e.oneByOne}, line...)
	}
	return append([]string{e.emulator}, line...)
}
