package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"splitadd/internal/lab"
	"splitadd/internal/record"
	"splitadd/internal/report"
	"splitadd/internal/trial"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// toolchain checks one toolchain and prints what it found.
func (c *checker) toolchain(ctx context.Context, t *lab.Toolchain) (v trial.Verdict, err error) {
	dir, err := os.MkdirTemp("", "splitadd-")
	if err != nil {
		return v, err
	}
	defer os.RemoveAll(dir)
	c.progress.say(t.Version + ": building the victims")
	guest, err := trial.Build(ctx, t, c.engine, dir)
	if err != nil {
		return v, err
	}
	defer guest.Close()
	shown, records := c.outputs(t, guest)
	for _, w := range slices.Concat(shown.Windows, shown.NotRun) {
		if err := records.Window(w, window.Disassembly(guest.File, w, 3, 2)); err != nil {
			return v, err
		}
	}
	v = guest.Static()
	if c.engine != nil && c.shard.decides {
		if v, err = c.decide(ctx, t, guest, &shown, records); err != nil {
			return v, err
		}
	}
	c.progress.end()
	if shown.Verdict = v; !c.json && c.tables && c.shard.decides {
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

// outputs returns the table and the records of a toolchain, with the windows that
// were found.
func (c *checker) outputs(t *lab.Toolchain, guest *trial.Guest) (report.Check, record.Writer) {
	evidence := ""
	if c.engine != nil {
		evidence = c.engine.Evidence
	}
	shown := report.Check{
		Go: t.Version, Engine: evidence, Victims: len(victim.Cases()) + len(victim.Contract()),
		UntestedHeld: guest.UntestedHeld(), NotRun: guest.WindowsNotRun(), Windows: guest.WindowsToPin(),
	}
	for _, k := range window.Kinds {
		if k.ProvedByHold {
			shown.Windows = append(shown.Windows, guest.WindowsToHold(k)...)
		}
	}
	records := record.Writer{Out: io.Discard, Go: t.Version, Engine: evidence, Shard: c.shard.String()}
	switch {
	case c.json && c.records != nil:
		records.Out = io.MultiWriter(c.stdout, c.records)
	case c.json:
		records.Out = c.stdout
	case c.records != nil:
		records.Out = c.records
	}
	return shown, records
}

// decide runs a guest until there is a verdict.
func (c *checker) decide(ctx context.Context, t *lab.Toolchain, guest *trial.Guest, shown *report.Check, records record.Writer) (trial.Verdict, error) {
	var writing error
	step := func(s trial.Step) { c.progress.step(t.Version+": "+s.What, s.Done, s.Total) }
	v, err := guest.Decide(ctx, c.limit, step, func(r trial.Run) {
		if r.Control {
			shown.Controls = append(shown.Controls, r)
		} else {
			shown.Runs = append(shown.Runs, r)
		}
		writing = errors.Join(writing, records.Run(r))
	})
	return v, errors.Join(err, writing)
}

// series makes c.runs stress runs of one victim of each kind, with the config that
// calibration finds, and prints how long the victims lived. If it is interrupted, it
// prints what was measured so far.
func (c *checker) series(ctx context.Context, name string, guest *trial.Guest, records record.Writer) error {
	var all []trial.Series
	var failed error
	for kind, w := range guest.StressWindows() {
		c.progress.say(name + ": calibrating, " + kind)
		victim, observer := guest.Case(w).Func, trial.Observer(w.Class)
		how, runs := trial.DefaultStress, c.runs
		s := trial.Series{Func: victim, Class: w.Class, Observer: observer, Limit: c.limit}
		if c.shard.count > 0 { // the results of shards are pooled, so all shards use the same config
			s.Seeds = c.shard.seeds(c.runs)
			runs = len(s.Seeds)
		} else {
			how, failed = guest.Calibrate(ctx, victim, w.Class, observer, func(trial.Run) {})
			if failed != nil {
				break
			}
		}
		s.Stress = how
		done := 0
		var writing error
		failed = guest.Measure(ctx, &s, runs, func(r trial.Run) {
			done++
			c.progress.step(fmt.Sprintf("%s: stress %s", name, kind), done, runs)
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
