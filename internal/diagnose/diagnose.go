// Package diagnose decides whether a flaky program crashes because it is preempted in
// a window, because of a data race, or both. It may also find that it cannot tell. It runs
// the program many times, as it is, without async preemption and under the race detector,
// and scans its binary.
package diagnose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"splitadd/internal/budget"
	"splitadd/internal/crash"
	"splitadd/internal/hint"
	"splitadd/internal/lab"
	"splitadd/internal/lab/process"
	"splitadd/internal/lab/vm"
	"splitadd/internal/survey"
	"splitadd/internal/trial"
	"splitadd/internal/window"
)

// A Program is a user's program that sometimes crashes.
type Program struct {
	Command   []string // its command line
	RaceBuild string   // a build of the program with -race, or ""
	Runs      int      // of each way
	Limit     time.Duration
	// Choice chooses the engine if the program is a Go binary for arm64. Other programs
	// run without an engine.
	Choice lab.Choice
}

// Ways are the ways in which a program is run.
const (
	WayPlain        = "plain"
	WayPreemptOff   = "GODEBUG=asyncpreemptoff=1"
	WayRaceDetector = "race detector"
)

// A Report has everything that was observed.
type Report struct {
	Program Program
	Binary  *survey.Binary // nil if it is not a Go binary for arm64
	Counts  []Count
	Engine  string
	Limits  []string // how a run differs from one without splitadd
	// Conclusion is "split SP", "split FP", "data race", both, or "undecided".
	Conclusion string
	Confidence string // why, and how sure that is
}

// Run diagnoses a program. After an error, the report has what was measured before.
func Run(ctx context.Context, p Program, step func(trial.Step)) (r *Report, err error) {
	r = &Report{Program: p, Engine: process.Machine()}
	path, err := exec.LookPath(p.Command[0])
	if err != nil {
		return r, &hint.Error{Err: err, Hint: "name an existing program after --"}
	}
	var windows []window.Window
	r.Binary, err = survey.ScanFile(ctx, path, false, budget.Default)
	if err != nil && !errors.Is(err, survey.ErrNotArm64Go) {
		return r, err
	}
	engine := &lab.Engine{Name: "native"}
	if r.Binary != nil {
		for _, f := range r.Binary.Functions {
			for _, w := range f.Windows {
				windows = append(windows, w.Window)
			}
		}
		named := p.Choice.Name != "" && p.Choice.Name != "auto" || p.Choice.Emulator != ""
		if runtime.GOARCH != "arm64" || named {
			if engine, err = lab.FindEngine(ctx, p.Choice); err != nil {
				return r, err
			}
			defer engine.Close()
			r.Engine = engine.Evidence
		}
	}
	r.Limits = limits(p, engine)
	ways := ways(p, path)
	done := 0
	for _, w := range ways {
		c := Count{Way: w.way, Kinds: map[crash.Kind]int{}}
		run := engine
		if w.way == WayRaceDetector { // a build for this machine
			run = &lab.Engine{Name: "native"}
		}
		for c.Runs < p.Runs && c.DataRaces == 0 {
			step(trial.Step{Done: done, Total: p.Runs * len(ways), What: w.way})
			done++
			result, err := run.Run(ctx, lab.Job{
				Path: w.path, Dir: ".", Args: p.Command[1:], Env: slices.Concat(traceback(), os.Environ(), w.env), OneByOne: true, Deadline: p.Limit, UserProgram: true,
			})
			if err != nil {
				r.Counts = append(r.Counts, c)
				r.conclude()
				return r, err
			}
			c.add(result, windows)
		}
		r.Counts = append(r.Counts, c)
	}
	r.conclude()
	return r, nil
}

// A way is a way to run a program.
type way struct {
	way, path string
	env       []string
}

// ways returns the ways to run a program, whose executable is at path.
func ways(p Program, path string) []way {
	all := []way{{WayPlain, path, nil}, {WayPreemptOff, path, []string{"GODEBUG=" + join(os.Getenv("GODEBUG"), "asyncpreemptoff=1")}}}
	if p.RaceBuild != "" {
		all = append(all, way{WayRaceDetector, p.RaceBuild, []string{"GORACE=halt_on_error=1"}})
	}
	return all
}

// limits says how a run differs from one without splitadd.
func limits(p Program, engine *lab.Engine) []string {
	all := []string{
		"standard input is empty", fmt.Sprintf("killed after %v", p.Limit), fmt.Sprintf("if a run prints more than %d MiB, the middle is not read", process.MaxOutput>>20),
	}
	if engine.Name == "vm" {
		all = append(all, fmt.Sprintf("%d MiB of memory and no network, in the virtual machine", vm.MemoryMB))
	}
	return append(all, traceback()...)
}

// traceback returns a setting for the environment that makes a crash show all
// goroutines, with the runtime's frames. It returns none if the user has set it.
func traceback() []string {
	if _, own := os.LookupEnv("GOTRACEBACK"); own {
		return nil
	}
	return []string{"GOTRACEBACK=system"}
}

func join(a, b string) string { return strings.TrimPrefix(a+","+b, ",") }

// windows returns how many windows of the binary stop the unwinder. It also returns the
// kinds of its other windows, which do harm later, such as memory corruption.
func (r *Report) windows() (n int, later []string) {
	if r.Binary == nil {
		return 0, nil
	}
	for _, f := range r.Binary.Functions {
		for _, w := range f.Windows {
			k, _ := window.KindNamed(w.Kind())
			switch {
			case !w.Preemptible:
			case !k.ProvedByHold:
				n++
			case !slices.Contains(later, k.Name):
				later = append(later, k.Name)
			}
		}
	}
	return n, later
}

// conclude sets the conclusion from the counts and the binary.
func (r *Report) conclude() {
	plain, off, race := r.count(WayPlain), r.count(WayPreemptOff), r.count(WayRaceDetector)
	var found, why []string
	add := func(what, because string, args ...any) {
		found, why = append(found, what), append(why, fmt.Sprintf(because, args...))
	}
	windows, later := r.windows()
	p := fisher(plain.unwindDeaths(), plain.Runs, off.unwindDeaths(), off.Runs)
	switch first := plain.FirstDeath; {
	case first.Window != nil:
		add(string(first.Kind), "certain: a crash log says that a goroutine was preempted at %s+%#x, which is a window", first.Window.Func, first.Window.Offset())
	case plain.unwindDeaths() > 0 && windows > 0 && p < significance:
		add("split SP or FP", "likely: %d of %d runs died while a stack was unwound, %d of %d with async preemption off (p = %.2g), and the binary has %s",
			plain.unwindDeaths(), plain.Runs, off.unwindDeaths(), off.Runs, p, english.Plural(windows, "window", ""))
	}
	if race.DataRaces > 0 {
		add("data race", "certain: the race detector reports it; that it causes the deaths is likely, not proved")
	}
	if len(found) > 0 {
		r.Conclusion, r.Confidence = strings.Join(found, ", and "), strings.Join(why, "; ")
		return
	}
	r.Conclusion = "undecided"
	dead := plain.Deaths + plain.Failed + plain.Hung
	switch {
	case plain.Runs == 0:
		r.Confidence = "nothing was run"
	case dead == 0:
		chance := make(trial.Sample, plain.Runs).Chance()
		r.Confidence = fmt.Sprintf("it never died in %s: the chance of a death is below %.2g (95 %%)", english.Plural(plain.Runs, "run", ""), chance.High)
	case off.Deaths > 0:
		r.Confidence = fmt.Sprintf("it also dies with async preemption off (%d of %d): that death is not this defect", off.Deaths, off.Runs)
	case r.Binary != nil && windows == 0 && len(later) == 0:
		r.Confidence = "the binary has no window: not this defect; what else it is was not found"
	case len(later) > 0 && plain.unwindDeaths() == 0 && fisher(plain.Deaths, plain.Runs, off.Deaths, off.Runs) < significance:
		r.Confidence = fmt.Sprintf("looks like %s: %d of %d runs died, %d of %d with async preemption off (p = %.2g), and the binary has such windows; to settle it: %s",
			strings.Join(later, ", "), plain.Deaths, plain.Runs, off.Deaths, off.Runs, fisher(plain.Deaths, plain.Runs, off.Deaths, off.Runs), strings.Join(survey.Remedies(later), "; "))
	default:
		r.Confidence = fmt.Sprintf("%d of %d runs ended badly, %d of %d with async preemption off: too few to tell, or not known to splitadd (p = %.2g)",
			plain.Deaths, plain.Runs, off.Deaths, off.Runs, fisher(plain.Deaths, plain.Runs, off.Deaths, off.Runs))
	}
	if race.Runs == 0 {
		r.Confidence += "; a build with -race may tell more: -race FILE"
	}
}
