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

// A StressConfig says how a stress run loads the machine. A stress run is one of
// the unmodified guest, which goes on until it dies or a limit is reached.
type StressConfig struct {
	Victims int `json:"victims"`
	Procs   int `json:"procs"` // GOMAXPROCS; 0 is the number of CPUs
	// Polite victims let every other thread go first (SCHED_IDLE), on Linux: a
	// collector's thread that wakes up takes a victim's CPU at any instruction.
	Polite bool `json:"polite"`
	// KeepStacks sets GODEBUG=gcshrinkstackoff=1: the collector does not copy the
	// victims' stacks between calls, which takes longer than to scan them.
	KeepStacks bool `json:"keep_stacks"`
	// StopWorld sets GODEBUG=gcstoptheworld=1: a collection asks all victims at once
	// to stop, and scans their stacks while they are stopped. Collecting beside
	// them it waits for one after the other to get a CPU and give it up.
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

// PoliteStress has perCPU polite victims for each CPU, each with a P of its own and one
// for the observer. A victim that waits for a CPU when the request to preempt it
// is made does not see the request in its next prologue first.
func PoliteStress(perCPU int) StressConfig {
	n := perCPU * runtime.NumCPU()
	return StressConfig{Victims: n, Procs: n + 1, Polite: true, KeepStacks: true}
}

// StopWorldStress has perCPU victims for each CPU, which are not polite, and which a
// collection stops all at once.
func StopWorldStress(perCPU int) StressConfig {
	r := PoliteStress(perCPU)
	r.Polite, r.StopWorld = false, true
	return r
}

// DefaultStress kills as fast as any config that was tried under QEMU on two cores (see
// docs/reachability.md), and stays so on a machine with other work: polite
// victims wait for that, too.
var DefaultStress = StopWorldStress(4)

// SingleVictim is how the canonical reproducer runs: one victim, and as many Ps as the
// machine has cores.
var SingleVictim = StressConfig{Victims: 1}

// Stress runs the guest as it was built. It ends by death, or after the limit.
// Values of GODEBUG in env are added to the config's own.
func (g *Guest) Stress(ctx context.Context, name string, class window.Class, observer string, how StressConfig, limit time.Duration, env ...string) (Run, error) {
	return g.stressUnder(ctx, &Series{Func: name, Class: class, Observer: observer, Stress: how, Limit: limit, Env: env}, 0)
}

// underTime is how much longer a guest may take under a tool.
const underTime = 5 * time.Minute

// stressUnder makes a stress run as a series says, under its tool.
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
	job := lab.Job{Path: g.File.Path, Under: s.Under, OneByOne: true, Deadline: 2*limit + time.Minute, Stall: limit + 30*time.Second}
	if len(s.Under) > 0 { // a tool may slow down the printing of a crash a hundred times
		job.Deadline, job.Stall = job.Deadline+underTime, job.Stall+underTime
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
	return r, g.run(ctx, &r, config, job)
}

// A Series is runs that were made alike, one after the other.
type Series struct {
	Label    string // what sets it apart from others, for people
	Func     string
	Class    window.Class
	Leaf     bool
	Frame    int // bytes
	Observer string
	Stress   StressConfig
	Env      []string
	Under    []string      // a tool of the engine's that runs the guest: strace, say
	Limit    time.Duration // after which a run is cut off alive
	Engine   string
	Seeds    []int // of the runs, where each is to be set apart; else nil
	Sample   Sample
}

// Kind names the kind of window that was stressed: "leaf SP".
func (s Series) Kind() string { return window.KindName(s.Class, s.Leaf) }

// Measure makes a number of stress runs as the series says, and adds what was
// measured to its sample; every run is reported. What was measured before an
// error stays.
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

// Calibrate spends a second at most on each of a few configs.
const (
	calibrationRun  = 500 * time.Millisecond
	calibrationRuns = 2
)

// Calibrate makes stress runs with a few configs, for a second at most each, and
// returns the one to use on this machine: DefaultStress, unless another killed so much
// more often that the lower bound of its rate is above what DefaultStress did. All runs
// are reported; they are no sample of the config that won, since it won by them.
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
