package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"splitadd/internal/lab"
	"splitadd/internal/record"
	"splitadd/internal/report"
	"splitadd/internal/trial"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// A checker carries out the verb check.
type checker struct {
	json     bool
	limit    time.Duration
	runs     int // natural races of each kind, beside the verdict's own
	shard    shard
	engine   *lab.Engine // nil where nothing can be run
	stdout   io.Writer
	records  io.Writer // beside stdout; or nil
	shown    bool      // tables are wanted
	progress *progress
}

func check(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := checker{stdout: stdout, shown: true, shard: shard{decides: true}}
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	flags.BoolVar(&c.json, "json", false, "")
	flags.DurationVar(&c.limit, "limit", 40*time.Second, "")
	flags.IntVar(&c.runs, "runs", 0, "")
	flags.Func("shard", "", c.shard.set)
	static := flags.Bool("static", false, "")
	from, to := flags.String("from", "", ""), flags.String("to", "", "")
	kept := flags.String("records", "", "")
	bisecting, kind, goroot := flags.Bool("bisect", false, ""), flags.String("kind", "", ""), flags.String("goroot", "", "")
	var choice lab.Choice
	engineFlags(flags, &choice)
	if done, err := parse(flags, args, stdout); done || err != nil {
		return err
	}
	if c.limit <= 0 {
		return usageError{fmt.Errorf("-limit %v: want more than nothing", c.limit)}
	}
	if c.runs < 0 || c.runs > 0 && *static {
		return usageError{fmt.Errorf("-runs %d: want a number of races, and not with -static", c.runs)}
	}
	if *bisecting {
		switch {
		case *goroot == "" || len(flags.Args()) > 0 || *from != "" || *static || c.runs > 0:
			return exitError{usageError{errors.New("-bisect takes -goroot DIR, and no other toolchain, sweep or races")}, bisectStop}
		case *kind != "" && !slices.Contains(window.KindNames(), *kind):
			return exitError{usageError{fmt.Errorf("-kind %q: want one of %s", *kind, strings.Join(window.KindNames(), ", "))}, bisectStop}
		}
	} else if *kind != "" {
		return usageError{errors.New("-kind is for -bisect")}
	}
	if c.shard.of > 0 && (c.runs == 0 || *from != "") {
		return usageError{errors.New("-shard deals races, -runs N, and goes with no sweep")}
	}
	if err := sweepUsage(flags, *from, *to, *kept, *static); err != nil {
		return err
	}
	if err := engineUsage(choice); err != nil {
		return err
	}
	names := flags.Args()
	if *goroot != "" {
		names = append(names, *goroot)
	}
	if len(names) == 0 {
		names = []string{"local"}
	}

	c.progress = newProgress(stderr)
	defer c.progress.end()
	if !*static {
		if err := c.findEngine(ctx, choice, stderr); err != nil {
			return err
		}
		if c.engine != nil {
			defer c.engine.Close()
		}
	}
	if *bisecting {
		return c.bisect(ctx, *goroot, *kind, stderr)
	}
	if *from != "" {
		return c.sweep(ctx, *from, *to, *kept)
	}
	var toolchains []*lab.Toolchain
	for _, name := range names {
		c.progress.say("toolchain " + name)
		t, err := lab.Resolve(ctx, name)
		if err != nil {
			return err
		}
		toolchains = append(toolchains, t)
	}
	var affected, doubtful bool
	for i, t := range toolchains {
		c.shard.decides = c.shard.has(i)
		v, err := c.toolchain(ctx, t)
		if err != nil {
			return err
		}
		affected = affected || len(v.Affected) > 0
		doubtful = doubtful || len(v.Doubts) > 0
	}
	switch {
	case doubtful:
		return &lab.Error{
			Err:  errors.New("what was found and what was seen do not agree: no verdict"),
			Hint: "run it again on an idle machine; if it says the same, it is a bug in splitadd",
		}
	case affected:
		return errAffected
	}
	return nil
}

// findEngine finds what runs guests. Where there is nothing the check goes on
// without, unless an engine was named.
func (c *checker) findEngine(ctx context.Context, choice lab.Choice, stderr io.Writer) error {
	if choice.Name == "vm" {
		c.progress.say("booting a virtual machine")
	}
	engine, err := lab.FindEngine(ctx, choice)
	var hinted *lab.Error
	if errors.Is(err, lab.ErrNoEngine) && errors.As(err, &hinted) && choice.Name == "auto" {
		fmt.Fprintf(stderr, "splitadd: warning: %v: nothing is run, the verdict is from the code alone\n", err)
		fmt.Fprintf(stderr, "splitadd: hint: %s\n", hinted.Hint)
		return nil
	}
	c.engine = engine
	return err
}

// toolchain checks one toolchain and prints what it found.
func (c *checker) toolchain(ctx context.Context, t *lab.Toolchain) (v trial.Verdict, err error) {
	dir, err := os.MkdirTemp("", "splitadd-")
	if err != nil {
		return v, err
	}
	defer os.RemoveAll(dir)
	target, evidence := lab.Target{OS: "linux", Arch: "arm64"}, ""
	if c.engine != nil {
		target, evidence = c.engine.Target, c.engine.Evidence
	}
	c.progress.say(t.Version + ": building the victims")
	path := filepath.Join(dir, "guest")
	if err := lab.Build(ctx, t, target, path); err != nil {
		return v, err
	}
	guest, err := trial.Open(path, c.engine)
	if err != nil {
		return v, err
	}
	defer guest.Close()

	shown := report.Check{Go: t.Version, Engine: evidence, Victims: len(victim.Cases()), Elsewhere: guest.Elsewhere()}
	records := record.Writer{To: io.Discard, Go: t.Version, Engine: evidence, Shard: c.shard.String()}
	switch {
	case c.json && c.records != nil:
		records.To = io.MultiWriter(c.stdout, c.records)
	case c.json:
		records.To = c.stdout
	case c.records != nil:
		records.To = c.records
	}
	for _, k := range victim.Cases() {
		shown.Windows = append(shown.Windows, guest.Preemptible(k.Func)...)
	}
	for _, w := range append(append([]window.Window(nil), shown.Windows...), shown.Elsewhere...) {
		if err := records.Window(w, window.Disassembly(guest.File, w, 3, 2)); err != nil {
			return v, err
		}
	}
	v = guest.Static()
	if c.engine != nil && c.shard.decides {
		var writing error
		step := func(s trial.Step) { c.progress.step(t.Version+": "+s.What, s.Done, s.Total) }
		v, err = guest.Decide(ctx, c.limit, step, func(r trial.Run) {
			if r.Control {
				shown.Control = r
			} else {
				shown.Runs = append(shown.Runs, r)
			}
			writing = errors.Join(writing, records.Run(r))
		})
		if err := errors.Join(err, writing); err != nil {
			return v, err
		}
	}
	c.progress.end()
	if shown.Verdict = v; !c.json && c.shown && c.shard.decides {
		if err := shown.Text(c.stdout); err != nil {
			return v, err
		}
	}
	if c.runs > 0 && c.engine != nil {
		if err := c.series(ctx, t.Version, guest, records); err != nil {
			return v, err
		}
	}
	if !c.shard.decides { // another shard says
		return v, nil
	}
	return v, records.Verdict(v)
}

// series races one victim of each kind c.runs times, in the way that calibration
// finds, and prints how long they lived: what was measured so far, where that is
// interrupted.
func (c *checker) series(ctx context.Context, name string, guest *trial.Guest, records record.Writer) error {
	var all []trial.Series
	var failed error
	for kind, w := range guest.Telling() {
		c.progress.say(name + ": calibrating, " + kind)
		victim, observer := guest.Case(w).Func, trial.Observer(w.Class)
		how, runs := trial.Fast, c.runs
		s := trial.Series{Func: victim, Class: w.Class, Observer: observer, Limit: c.limit}
		if c.shard.of > 0 { // shards are pooled: they all race alike
			s.Seeds = c.shard.seeds(c.runs)
			runs = len(s.Seeds)
		} else {
			how, failed = guest.Calibrate(ctx, victim, w.Class, observer, func(trial.Run) {})
			if failed != nil {
				break
			}
		}
		s.Racing = how
		done := 0
		var writing error
		failed = guest.Measure(ctx, &s, runs, func(r trial.Run) {
			done++
			c.progress.step(fmt.Sprintf("%s: race %s", name, kind), done, runs)
			writing = errors.Join(writing, records.Run(r))
		})
		all = append(all, s)
		if failed = errors.Join(failed, writing, records.Series(s)); failed != nil {
			break
		}
	}
	c.progress.end()
	if c.json || len(all) == 0 {
		return failed
	}
	fmt.Fprintf(c.stdout, "\n%s, time to crash as built\n\n", name)
	return errors.Join(report.Series(c.stdout, all), failed)
}
