package race

import (
	"context"
	"debug/buildinfo"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"splitadd/internal/lab"
	"splitadd/internal/patch"
	"splitadd/internal/trial"
	"splitadd/internal/victim"
)

var (
	all   = flag.Bool("all", false, "pin every victim under every observer")
	limit = flag.Duration("limit", 40*time.Second, "how long one stress run may last")

	oneByOne   = flag.Bool("one-by-one", false, "the emulator runs all guests one instruction at a time: a slow machine")
	engineName = flag.String("engine", "auto", "the engine that runs the guests: "+strings.Join(lab.Engines, ", "))
)

// asGuest is set in the environment of a test binary that runs as the guest.
const asGuest = "SPLITADD_GUEST"

var (
	guest  *trial.Guest
	engine *lab.Engine
	ctx    context.Context
)

func TestMain(m *testing.M) {
	if os.Getenv(asGuest) != "" {
		os.Exit(victim.Main(os.Args[1:], new(errgroup.Group), os.Stdout))
	}
	flag.Parse()
	os.Exit(run(m))
}

// run builds the guest and runs the tests. If the guest cannot be built or run, the
// tests fail: a suite that measured nothing has not passed.
func run(m *testing.M) int {
	var stop context.CancelFunc
	ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "splitadd-race-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := open(dir); err != nil {
		fmt.Fprintln(os.Stderr, "splitadd/race:", err)
		return 1
	}
	defer engine.Close()
	defer guest.Close()
	return m.Run()
}

// open opens the guest. On arm64 it is this test binary. On other machines it is the same
// test, built for arm64.
func open(dir string) (err error) {
	if engine, err = lab.FindEngine(ctx, lab.Choice{Name: *engineName, OneByOne: *oneByOne}); err != nil {
		return err
	}
	path := filepath.Join(dir, "race.test")
	if engine.Emulated() {
		err = cross(path)
	} else {
		var self string
		if self, err = os.Executable(); err == nil {
			err = patch.Copy(self, path)
		}
	}
	if err != nil {
		return err
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return err
	}
	if info.GoVersion != runtime.Version() {
		return fmt.Errorf("the guest was built with %s, and this test with %s", info.GoVersion, runtime.Version())
	}
	guest, err = trial.Open(path, engine)
	if err == nil {
		guest.Env = []string{asGuest + "=1"}
	}
	return err
}

// cross builds this test for the engine's target, with the go command that
// runs it: "go test" puts its own first in PATH.
func cross(path string) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", path, ".")
	cmd.Env = append(os.Environ(), "GOOS="+engine.Target.OS, "GOARCH="+engine.Target.Arch, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build for %s: %w\n%s", engine.Target, err, out)
	}
	return nil
}
