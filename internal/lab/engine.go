package lab

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"splitadd/internal/hint"
	"splitadd/internal/lab/process"
	"splitadd/internal/lab/qemu"
	"splitadd/internal/lab/vm"
)

// Engines are the names of the engines, as a Choice takes them.
var Engines = []string{"auto", "native", "user", "vm"}

// A Choice says which engine runs guests. The zero value chooses the default engine of
// the machine.
type Choice struct {
	// Name is one of Engines, or "". "auto" is "native" on arm64 machines and
	// "user" elsewhere.
	Name string
	// Emulator is the QEMU to use; "" is the one in PATH. An emulator makes
	// "auto" mean "user".
	Emulator string
	// Kernel is for "vm": the folder in which a package of a Linux kernel for arm64 is
	// unpacked, with its boot/vmlinuz-* and lib/modules. "" means Debian's cloud kernel,
	// which is fetched once.
	Kernel string
	// OneByOne is for tests. It makes every guest run as a Job with OneByOne does, which is
	// many times slower. It needs an emulator.
	OneByOne bool
	// Tools are Debian packages to install in a "vm", with all that they depend on.
	Tools []string
}

// An Engine runs guests.
type Engine struct {
	Name     string // of Engines, never "auto"
	Target   Target // what its guests are built for
	Evidence string // what exactly it is, for records; it says if the engine is emulated

	always   bool        // Choice.OneByOne
	emulator string      // of "user"
	oneByOne string      // the flag that makes the emulator look for signals after every instruction
	machine  *vm.Machine // of "vm"
}

// A Job is one run of a guest.
type Job struct {
	Path        string   // the guest
	Under       []string // the command and flags that run the guest, one of the engine's tools; for example strace
	Args        []string
	Dir         string        // where it runs; "" is the guest's own folder. A "vm" has none but its own
	Env         []string      // added to PATH and the like; for example GODEBUG
	OneByOne    bool          // signals must be able to land at any instruction: see qemu.Emulator.OneByOne
	UserProgram bool          // a user's program: see process.Job
	Core        bool          // may leave a core file: see Engine.Cores
	Deadline    time.Duration // when to kill the guest; required
}

// ErrNoEngine is wrapped by the error of FindEngine if nothing can run an arm64
// guest.
var ErrNoEngine = qemu.ErrNone

const installUser = "install QEMU's user-mode emulator: apt-get install qemu-user-static on Debian and Ubuntu"

// FindEngine returns an engine, which must be closed. An engine "vm" is booted.
func FindEngine(ctx context.Context, c Choice) (*Engine, error) {
	e, err := find(ctx, c)
	switch {
	case err != nil || !c.OneByOne:
		return e, err
	case !e.Emulated():
		return nil, errors.New("only an emulator runs guests one instruction at a time")
	}
	e.always = true
	e.Evidence += ", one instruction at a time"
	return e, nil
}

func find(ctx context.Context, c Choice) (*Engine, error) {
	host := Target{runtime.GOOS, runtime.GOARCH}
	native := host.Arch == "arm64" && (host.OS == "linux" || host.OS == "darwin")
	name := c.Name
	if name == "" || name == "auto" {
		name = "user"
		if native && c.Emulator == "" {
			name = "native"
		}
	}
	switch {
	case !slices.Contains(Engines, name):
		return nil, fmt.Errorf("engine %q: want one of %s", name, strings.Join(Engines, ", "))
	case name == "native" && !native:
		return nil, &hint.Error{Err: fmt.Errorf("engine native: this is %s, not arm64", host), Hint: "user and vm emulate arm64"}
	case name == "native":
		return &Engine{Name: name, Target: host, Evidence: fmt.Sprintf("native: %s, %s", host, process.Machine())}, nil
	case name == "vm":
		m, err := vm.Boot(ctx, vm.Options{Emulator: c.Emulator, Kernel: c.Kernel, Tools: c.Tools, BuildInit: BuildInit})
		if err != nil {
			return nil, err
		}
		return &Engine{Name: name, Target: Target{"linux", "arm64"}, Evidence: m.Evidence, machine: m}, nil
	}
	q, err := qemu.Find(ctx, c.Emulator, []string{"qemu-aarch64-static", "qemu-aarch64"}, installUser)
	if err != nil {
		return nil, err
	}
	return &Engine{
		Name:     name,
		Target:   Target{"linux", "arm64"},
		Evidence: fmt.Sprintf("emulated: qemu-aarch64 %s, user mode, cpu max, on %s, %s", q.Version, host, process.Machine()),
		emulator: q.Path,
		oneByOne: "-" + q.OneByOne(),
	}, nil
}

// Close ends an engine and the guests that it still runs.
func (e *Engine) Close() error {
	if e.machine != nil {
		e.machine.Close()
	}
	return nil
}

// Emulated reports whether guests run under an emulator.
func (e *Engine) Emulated() bool { return e.Name != "native" }

// Run runs a guest, which dies with this process. An error means that the harness
// failed. The result says how the guest ended.
func (e *Engine) Run(ctx context.Context, job Job) (process.Result, error) {
	job.OneByOne = job.OneByOne || e.always
	run := process.Job{
		Command: e.command(job), Dir: job.Dir, Env: job.Env, Core: job.Core, Deadline: job.Deadline, UserProgram: job.UserProgram,
	}
	if e.machine != nil {
		return e.machine.Run(ctx, run, len(job.Under), job.OneByOne)
	}
	if run.Dir == "" {
		run.Dir = filepath.Dir(job.Path)
	}
	return process.Run(ctx, run)
}

// Cores moves the core files that guests of a "vm" left into a folder, and
// returns their paths. Other engines leave none.
func (e *Engine) Cores(dir string) ([]string, error) {
	if e.machine == nil {
		return nil, nil
	}
	return e.machine.Cores(dir)
}

// command returns the command line that runs a guest. A guest of a Job with OneByOne must
// take signals at every instruction boundary: QEMU delivers them only between translation
// blocks, and a whole epilogue is one block.
func (e *Engine) command(job Job) []string {
	line := append(append([]string(nil), job.Under...), job.Path)
	if e.emulator != "" {
		line = append(line[:len(job.Under)], e.emulator, "-cpu", "max")
		if job.OneByOne {
			line = append(line, e.oneByOne)
		}
		line = append(line, job.Path)
	}
	return append(line, job.Args...)
}
