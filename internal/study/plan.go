// Package study runs the experiments of docs/reachability.md. It measures what the time to
// crash depends on, fits a model to the results, and writes the page with its charts.
package study

import (
	"fmt"
	"time"

	"splitadd/internal/trial"
	"splitadd/internal/window"
)

// A Group is the series that answer one question, with one toolchain and engine.
type Group struct {
	Name   string // also the first part of every label: "body"
	Go     string // toolchain
	VM     bool   // in a virtual machine that has Tools
	Runs   int    // of each series
	Series []trial.Series
}

// Tools are the Debian packages in a virtual machine of the plan.
var Tools = []string{"gdb-minimal", "strace", "linux-perf"}

// Bodies are the iterations of the body of "spin" that are measured.
var Bodies = []int{0, 10, 30, 100, 300, 1000, 3000, 10000}

// Instructions returns how many instructions a call of "spin" takes with a body of that
// many iterations, as go1.27.4 compiles it. This includes the caller's instructions between
// two calls. An iteration of the body takes three instructions.
func Instructions(body int) float64 { return 31 + 3*float64(body) }

// loneVictim stresses one victim as the canonical reproducer does: the victim and the
// observer each have their own CPU.
var loneVictim = trial.StressConfig{Victims: 1, Procs: 2, KeepStacks: true}

// manyVictims is how most victims of the study are stressed.
var manyVictims = trial.PoliteStress(3)

// Plan returns the experiments. All but one use the release newest. One compares the
// victims of the two releases in pair, which must compile them to the same code. A run may
// last as long as short, and a run of the canonical reproducer as long as long.
func Plan(newest string, pair [2]string, short, long time.Duration) []Group {
	const spin, tiny = "spin", "leaf65568"
	series := func(label, victim, observer string, how trial.StressConfig) trial.Series {
		return trial.Series{Label: label, Func: victim, Class: class(victim, observer), Observer: observer, Stress: how, Limit: short}
	}
	body := Group{Name: "body", Go: newest, Runs: 6}
	for _, n := range Bodies {
		crowd, single := manyVictims, loneVictim
		crowd.Body, single.Body = n, n
		body.Series = append(body.Series,
			series(fmt.Sprintf("body/crowd/%d", n), spin, "gc", crowd),
			series(fmt.Sprintf("body/lone/%d", n), spin, "gc", single))
	}
	crowd := Group{Name: "victims", Go: newest, Runs: 8}
	for _, n := range []int{1, 2, 3, 4, 6, 8} {
		polite := trial.PoliteStress(n)
		rough := polite
		rough.Polite = false
		crowd.Series = append(crowd.Series,
			series(fmt.Sprintf("victims/polite/%d", n), tiny, "gc", polite),
			series(fmt.Sprintf("victims/rough/%d", n), tiny, "gc", rough),
			series(fmt.Sprintf("victims/stopped/%d", n), tiny, "gc", trial.StopWorldStress(n)))
	}
	observer := Group{Name: "observer", Go: newest, Runs: 5}
	for _, name := range []string{"gc", "trace", "goroutines", "stacks", "cpu", "none"} {
		observer.Series = append(observer.Series, series("observer/"+name, tiny, name, manyVictims))
	}
	frame := Group{Name: "frame", Go: newest, Runs: 10}
	for _, size := range []string{"65536", "65568", "131088", "1048592"} {
		frame.Series = append(frame.Series, series("frame/gc/"+size, "leaf"+size, "gc", manyVictims))
	}
	for _, size := range []string{"65536", "69632", "131040", "16777200"} {
		frame.Series = append(frame.Series, series("frame/trace/"+size, "leaf"+size, "trace", manyVictims))
	}
	groups := []Group{body, crowd, observer, frame}
	for _, release := range pair {
		canonical := series("pair/canonical/"+release, "canonical", "gc", trial.SingleVictim)
		canonical.Limit = long
		again := canonical // at another time, because other work on the machine changes the result
		again.Label = "pair/canonical again/" + release
		groups = append(groups,
			Group{"pair", release, false, 30, []trial.Series{
				series("pair/tiny/"+release, tiny, "gc", trial.DefaultStress),
				series("pair/traced/"+release, "leaf69632", "trace", trial.DefaultStress)}},
			Group{"pair", release, false, 5, []trial.Series{canonical}},
			Group{"pair", release, false, 5, []trial.Series{again}})
	}
	return append(groups, watched(newest, short)...)
}

// watched returns the experiments with tools that watch the guest.
func watched(release string, limit time.Duration) []Group {
	series := func(label string) trial.Series {
		return trial.Series{Label: "watched/" + label, Func: "leaf65568", Class: window.SP, Observer: "gc", Stress: manyVictims, Limit: limit}
	}
	plain, off, one, trace := series("plain"), series("GODEBUG=asyncpreemptoff=1"), series("GOMAXPROCS=1"), series("execution tracer")
	off.Env = []string{"GODEBUG=asyncpreemptoff=1"}
	one.Stress.Procs = 1
	trace.Observer = "trace"
	// They have few runs, because under strace it takes minutes to print a crash.
	in, strace, gdb, perf := series("vm, plain"), series("vm, strace -f"), series("vm, gdb"), series("vm, perf record")
	strace.Under = []string{"strace", "-f", "-o", "/dev/null"}
	gdb.Under = []string{"gdb", "-q", "-batch", "-iex", "set startup-with-shell off", "-ex", "handle SIGURG nostop noprint pass", "-ex", "run", "--args"}
	perf.Under = []string{"perf", "record", "-q", "-F", "999", "-o", "/tmp/perf.data"}
	return []Group{
		{"watched", release, false, 10, []trial.Series{plain, off, one, trace}},
		{"watched", release, true, 6, []trial.Series{in, strace, gdb, perf}},
	}
}

func class(victim, observer string) window.Class {
	if observer == "trace" && victim != "leaf65568" {
		return window.FP
	}
	return window.SP
}
