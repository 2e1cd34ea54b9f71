package record

import (
	"fmt"
	"maps"
	"slices"

	"splitadd/internal/trial"
	"splitadd/internal/window"
)

// A condition is everything that a victim's rate depends on. Exposures are added up
// only for runs under the same condition.
type condition struct {
	Go       string
	Func     string
	Frame    int
	Class    window.Class
	Leaf     bool
	Observer string
	Stress   trial.StressConfig
	Engine   string // with the machine: kernel, processor, how many there are
}

func (r Run) condition() condition {
	c := condition{Go: r.Go, Func: r.Func, Frame: r.Frame, Class: r.Class, Leaf: r.Leaf, Observer: r.Observer, Engine: r.Engine}
	if r.Stress != nil {
		c.Stress = *r.Stress
	}
	return c
}

// String names a condition by the parts that a reader needs to tell runs apart.
func (c condition) String() string {
	return fmt.Sprintf("%s %s %s under %s", c.Go, c.Func, c.Class, c.Observer)
}

// Merge pools the records of shards. Runs under the same condition on several machines
// become one experiment, whose exposure is their sum. The result has each window and each
// verdict once. Every series is computed again from the runs that have a seed. Notes of
// the result say which runs were left out, and which look alike but have different
// conditions.
//
// It is an error if two runs have the same release, victim, observer and seed, or if
// shards have different windows or verdicts.
func (a *All) Merge() (merged All, err error) {
	if merged.Windows, err = agreedWindows(a.Windows); err != nil {
		return merged, err
	}
	if merged.Verdicts, err = agreedVerdicts(a.Verdicts); err != nil {
		return merged, err
	}
	merged.Runs = a.Runs
	err = merged.pool()
	return merged, err
}

// agreedWindows returns each window once.
func agreedWindows(all []Window) (once []Window, err error) {
	seen := map[string]Window{}
	for _, w := range all {
		key := fmt.Sprint(w.Go, w.Class, w.PC)
		if known, ok := seen[key]; !ok {
			once = append(once, w)
		} else if known != w {
			return once, fmt.Errorf("%s: two shards have different windows at %s: were they built alike?", w.Go, w.PC)
		}
		seen[key] = w
	}
	return once, nil
}

// agreedVerdicts returns each verdict once.
func agreedVerdicts(all []Verdict) (once []Verdict, err error) {
	seen := map[string]Verdict{}
	for _, v := range all {
		if known, ok := seen[v.Go]; !ok {
			once = append(once, v)
		} else if !slices.Equal(known.Affected, v.Affected) || known.Proved != v.Proved {
			return once, fmt.Errorf("%s: two shards have different verdicts: %v and %v", v.Go, known.Affected, v.Affected)
		}
		seen[v.Go] = v
	}
	return once, nil
}

// A pool is runs under one condition.
type pool struct {
	condition
	sample  trial.Sample
	leftOut int // runs that died of something other than the kind of window of the run
}

// pool makes the series from the runs.
func (a *All) pool() error {
	shards := map[string]string{}
	pools := map[condition]*pool{}
	var order []*pool
	for _, r := range a.Runs {
		if r.Seed == 0 || r.Pinned {
			continue
		}
		p := pools[r.condition()]
		if p == nil {
			p = &pool{condition: r.condition()}
			pools[p.condition], order = p, append(order, p)
		}
		key := fmt.Sprintf("%v, seed %d", p, r.Seed)
		if shard, twice := shards[key]; twice {
			return fmt.Errorf("%s: there twice, in shards %q and %q", key, shard, r.Shard)
		}
		shards[key] = r.Shard
		switch {
		case r.Outcome == trial.Died && r.Death != "split "+string(r.Class):
			p.leftOut++
			a.Notes = append(a.Notes, fmt.Sprintf("%s: left out: it died of %q, not of a window that was stressed", key, r.Death))
		case r.Outcome == trial.Died, r.Outcome == trial.Survived:
			p.sample = append(p.sample, trial.Life{Seconds: r.Exposed, Observations: r.Observations, Died: r.Outcome == trial.Died})
		default:
			return fmt.Errorf("%s: %s: nothing was measured", key, r.Outcome)
		}
	}
	alike := map[string]int{}
	for _, p := range order {
		alike[p.String()]++
		if p.sample.Seconds() > 0 {
			a.Series = append(a.Series, p.series())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(alike)) {
		if n := alike[name]; n > 1 {
			a.Notes = append(a.Notes, fmt.Sprintf("%s: %d series, since the runs differ in the victims of their stress, or in the engine or machine", name, n))
		}
	}
	return nil
}

// series returns the record of a pool.
func (p *pool) series() Series {
	record := Writer{Go: p.Go, Engine: p.Engine}.series(trial.Series{
		Label: "pooled", Func: p.Func, Class: p.Class, Leaf: p.Leaf, Frame: p.Frame, Observer: p.Observer,
		Stress: p.Stress, Engine: p.Engine, Sample: p.sample,
	})
	switch {
	case p.leftOut == 1:
		record.Warnings = append(record.Warnings, "1 run is left out: it died, and its log does not show that it was of this kind of window")
	case p.leftOut > 1:
		record.Warnings = append(record.Warnings, fmt.Sprintf("%d runs are left out: they died, and their logs do not show that it was of this kind of window", p.leftOut))
	}
	return record
}

// Write writes records, one a line.
func (a *All) Write(w Writer) error {
	err := writeEach(w, a.Windows)
	if err == nil {
		err = writeEach(w, a.Runs)
	}
	if err == nil {
		err = writeEach(w, a.Series)
	}
	if err == nil {
		err = writeEach(w, a.Verdicts)
	}
	return err
}

func writeEach[T any](w Writer, records []T) error {
	for _, r := range records {
		if err := w.write(r); err != nil {
			return err
		}
	}
	return nil
}
