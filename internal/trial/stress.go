package trial

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"splitadd/internal/lab"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// A StressConfig says how a guest is run under stress.
type StressConfig struct {
	Victims int `json:"victims"`
	Procs   int `json:"procs"` // GOMAXPROCS; 0 is the number of CPUs
	// Polite victims let every other thread run first (SCHED_IDLE), on Linux. So a
	// collector's thread that wakes up takes a victim's CPU at any instruction.
	Polite bool `json:"polite"`
	// KeepStacks sets GODEBUG=gcshrinkstackoff=1: the collector does not copy the
	// victims' stacks between calls, which takes longer than to scan them.
	KeepStacks bool `json:"keep_stacks"`
	// StopWorld sets GODEBUG=gcstoptheworld=1: a collection asks all victims at once
	// to stop, and scans their stacks while they are stopped. A concurrent
	// collection waits for one victim after the other to get a CPU and give it up.
	StopWorld bool `json:"stop_world,omitempty"`
	Body      int  `json:"body"` // of the victim "spin": victim.Config.Body
}

func (r StressConfig) String() string {
	words := []string{english.Plural(r.Victims, "victim", "")}
	if r.Procs > 0 {
		words = append(words, fmt.Sprintf("%d Ps", r.Procs))
	}
	if r.Polite {
		words = append(words, "polite")
	}
	if r.KeepStacks {
		words = append(words, "stacks kept")
	}
	if r.StopWorld {
		words = append(words, "world stopped")
	}
	if r.Body > 0 {
		words = append(words, fmt.Sprintf("body %d", r.Body))
	}
	return strings.Join(words, ", ")
}

// PoliteStress is a config with perCPU polite victims on each CPU. Every victim and the
// observer has its own P. If a victim waits for a CPU while the runtime requests its
// preemption, the signal can reach it at any instruction. A running victim would see the
// request in its next prologue first.
func PoliteStress(perCPU int) StressConfig {
	n := perCPU * runtime.NumCPU()
	return StressConfig{Victims: n, Procs: n + 1, Polite: true, KeepStacks: true}
}

// StopWorldStress is a config with perCPU victims on each CPU, which are not polite. A
// collection stops all of them at once.
func StopWorldStress(perCPU int) StressConfig {
	r := PoliteStress(perCPU)
	r.Polite, r.StopWorld = false, true
	return r
}

// DefaultStress makes victims die as fast as any config that was tried under QEMU on two
// cores (see docs/reachability.md). It stays fast on a machine with other work, for which
// polite victims would wait.
var DefaultStress = StopWorldStress(4)

// SingleVictim is how the canonical reproducer runs: one victim, and as many Ps as the
// machine has cores.
var SingleVictim = StressConfig{Victims: 1}

// Stress makes a stress run of the unmodified guest. It ends when the guest dies, or after
// the limit. Values of GODEBUG in env are added to those of how.
func (g *Guest) Stress(ctx context.Context, name string, class window.Class, observer string, how StressConfig, limit time.Duration, env ...string) (Run, error) {
	return g.stressUnder(ctx, &Series{Func: name, Class: class, Observer: observer, Stress: how, Limit: limit, Env: env}, 0)
}

// underTime is how much longer a guest may take under a tool.
const underTime = 5 * time.Minute

// stressUnder makes one stress run of a series, under the series' tool.
func (g *Guest) stressUnder(ctx context.Context, s *Series, seed int) (Run, error) {
	r, how, limit := g.start(s.Func, s.Class, s.Observer), s.Stress, s.Limit
	r.Stress, r.Seed = how, seed
	var debug []string
	if how.KeepStacks {
		debug = append(debug, "gcshrinkstackoff=1")
	}
	if how.StopWorld {
		debug = append(debug, "gcstoptheworld=1")
	}
	job := lab.Job{Path: g.File.Path, Under: s.Under, OneByOne: true}
	var more time.Duration
	if len(s.Under) > 0 { // under a tool, printing a crash may take a hundred times as long
		more = underTime
	}
	for _, v := range s.Env {
		if value, ok := strings.CutPrefix(v, "GODEBUG="); ok {
			debug = append(debug, value)
		} else {
			job.Env = append(job.Env, v)
		}
	}
	if len(debug) > 0 {
		job.Env = append(job.Env, "GODEBUG="+strings.Join(debug, ","))
	}
	config := victim.Config{
		Victim: s.Func, Observer: s.Observer, Victims: how.Victims, Procs: how.Procs, For: limit, Polite: how.Polite, Body: how.Body, Seed: seed,
	}
	return r, g.run(ctx, &r, config, more, job)
}

// A Series is stress runs of the same victim under the same conditions, one after the
// other.
type Series struct {
	Label    string // a name for people, which tells it from other series
	Func     string
	Class    window.Class
	Leaf     bool
	Frame    int // bytes
	Observer string
	Stress   StressConfig
	Env      []string
	Under    []string      // a tool of the engine's that runs the guest: strace, say
	Limit    time.Duration // after which a run is ended
	Engine   string
	Seeds    []int // the seeds of the runs, or nil
	Sample   Sample
}

// Kind returns the kind of window that the series is about: "leaf SP".
func (s Series) Kind() string { return window.KindName(s.Class, s.Leaf) }

// Measure makes stress runs of the series' victim, adds them to its sample, and reports
// every run. If there is an error, the sample keeps the runs before it.
func (g *Guest) Measure(ctx context.Context, s *Series, runs int, report func(Run)) error {
	s.Engine = g.engine.Evidence
	for i := range runs {
		seed := 0
		if i < len(s.Seeds) {
			seed = s.Seeds[i]
		}
		r, err := g.stressUnder(ctx, s, seed)
		if err != nil {
			return err
		}
		s.Leaf, s.Frame = r.Leaf, r.Frame
		report(r)
		life, err := SampleOf([]Run{r})
		if err := errors.Join(r.failure(), err); err != nil {
			return err
		}
		s.Sample = append(s.Sample, life...)
	}
	return nil
}

// Bounds of Calibrate, which spends at most a second on each of a few configs.
const (
	calibrationRun  = 500 * time.Millisecond
	calibrationRuns = 2
)

// Calibrate runs a victim under a few configs, for at most a second each, and returns
// the best for this machine. This is DefaultStress, unless the lower bound of another one's rate
// is above the rate of DefaultStress. It reports all runs. They must not be used as a
// sample of the best config, because they were used to choose it.
func (g *Guest) Calibrate(ctx context.Context, name string, class window.Class, observer string, report func(Run)) (best StressConfig, err error) {
	single := StressConfig{Victims: 1, Procs: 2, Polite: true, KeepStacks: true}
	most := 0.0
	for _, how := range []StressConfig{DefaultStress, StopWorldStress(1), PoliteStress(3), single} {
		s := Series{Func: name, Class: class, Observer: observer, Stress: how, Limit: calibrationRun}
		if err := g.Measure(ctx, &s, calibrationRuns, report); err != nil {
			return how, err
		}
		rate := s.Sample.Rate()
		if how == DefaultStress || rate.Low > most {
			best, most = how, rate.Estimate
		}
	}
	return best, nil
}
