package trial

import (
	"context"
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
	return g.stress(ctx, conditions{name: name, class: class, observer: observer, how: how, limit: limit, env: env})
}

// conditions are those of a stress run.
type conditions struct {
	name     string // of the victim
	class    window.Class
	observer string
	how      StressConfig
	limit    time.Duration
	env      []string
	under    []string // a tool that runs the guest, or nil
	seed     int
}

// underTime is how much longer a guest may take under a tool.
const underTime = 5 * time.Minute

// stress makes one stress run.
func (g *Guest) stress(ctx context.Context, c conditions) (Run, error) {
	r, how, limit := g.start(c.name, c.class, c.observer), c.how, c.limit
	r.Stress, r.Seed = how, c.seed
	var debug []string
	if how.KeepStacks {
		debug = append(debug, "gcshrinkstackoff=1")
	}
	if how.StopWorld {
		debug = append(debug, "gcstoptheworld=1")
	}
	job := lab.Job{Path: g.File.Path, Under: c.under, OneByOne: true}
	var more time.Duration
	if len(c.under) > 0 { // under a tool, printing a crash may take a hundred times as long
		more = underTime
	}
	for _, v := range c.env {
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
		Victim: c.name, Observer: c.observer, Victims: how.Victims, Procs: how.Procs, For: limit, Polite: how.Polite, Body: how.Body, Seed: c.seed,
	}
	return r, g.run(ctx, &r, config, more, job)
}
