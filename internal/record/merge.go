package record

import (
	"fmt"
	"maps"
	"slices"

	"splitadd/internal/trial"
	"splitadd/internal/window"
)

// A condition is everything that the hazard rate of a victim depends on. Only runs under the
// same condition are pooled.
type condition struct {
	Go       string
	Func     string
	Frame    int
	Class    window.Class
	Leaf     bool
	Observer string
	Stress   trial.StressConfig
	Engine   string // including the machine: kernel, processor, number of processors
}

func (r Run) condition() condition {
	c := condition{Go: r.Go, Func: r.Func, Frame: r.Frame, Class: r.Class, Leaf: r.Leaf, Observer: r.Observer, Engine: r.Engine}
	if r.Stress != nil {
		c.Stress = *r.Stress
	}
	return c
}

// String returns the release, victim, class and observer, which identify most conditions for
// a reader.
func (c condition) String() string {
	return fmt.Sprintf("%s %s %s under %s", c.Go, c.Func, c.Class, c.Observer)
}

// Merge pools the records of shards. It makes one series from all runs under the same
// condition, whose exposure is the sum of theirs. Only runs that have a seed and were not
// pinned are in a series. The result has each window and each verdict once. Its Notes say
// which runs were left out of a series, and which series have the same name but different
// conditions.
//
// It is an error if two runs under the same condition have the same seed, or if shards have
// different windows or verdicts.
func (a *Collection) Merge() (merged Collection, err error) {
	if merged.Windows, err = distinctWindows(a.Windows); err != nil {
		return merged, err
	}
	if merged.Verdicts, err = distinctVerdicts(a.Verdicts); err != nil {
		return merged, err
	}
	merged.Runs = a.Runs
	err = merged.poolRuns()
	return merged, err
}

// distinctWindows returns each window once. It is an error if two windows at the same place
// differ.
func distinctWindows(windows []Window) (distinct []Window, err error) {
	seen := map[string]Window{}
	for _, w := range windows {
		key := fmt.Sprint(w.Go, w.Class, w.PC)
		if previous, ok := seen[key]; !ok {
			distinct = append(distinct, w)
		} else if previous != w {
			return distinct, fmt.Errorf("%s: two shards have different windows at %s: were their victims built in the same way?", w.Go, w.PC)
		}
		seen[key] = w
	}
	return distinct, nil
}

// distinctVerdicts returns the verdict on each release once. It is an error if two verdicts on
// a release differ.
func distinctVerdicts(verdicts []Verdict) (distinct []Verdict, err error) {
	seen := map[string]Verdict{}
	for _, v := range verdicts {
		if previous, ok := seen[v.Go]; !ok {
			distinct = append(distinct, v)
		} else if !slices.Equal(previous.Affected, v.Affected) || previous.Proved != v.Proved {
			return distinct, fmt.Errorf("%s: two shards have different verdicts: %v and %v", v.Go, previous.Affected, v.Affected)
		}
		seen[v.Go] = v
	}
	return distinct, nil
}

// A pool is the runs under one condition.
type pool struct {
	condition
	sample  trial.Sample
	leftOut int // runs that died of something other than the class of window that the run is about
}

// poolRuns adds the series of the runs, and notes about them.
func (a *Collection) poolRuns() error {
	shards := map[string]string{}
	pools := map[condition]*pool{}
	var ordered []*pool
	for _, r := range a.Runs {
		if r.Seed == 0 || r.Pinned {
			continue
		}
		p := pools[r.condition()]
		if p == nil {
			p = &pool{condition: r.condition()}
			pools[p.condition], ordered = p, append(ordered, p)
		}
		key := fmt.Sprintf("%v, seed %d", p, r.Seed)
		if shard, isDuplicate := shards[key]; isDuplicate {
			return fmt.Errorf("%s: recorded twice, in shards %q and %q", key, shard, r.Shard)
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
	seriesByName := map[string]int{}
	for _, p := range ordered {
		seriesByName[p.String()]++
		if p.sample.Seconds() > 0 {
			a.Series = append(a.Series, p.series())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(seriesByName)) {
		if n := seriesByName[name]; n > 1 {
			a.Notes = append(a.Notes, fmt.Sprintf("%s: %d series, since the runs differ in the victims of their stress, or in the engine or machine", name, n))
		}
	}
	return nil
}

// series returns the record of a pool's runs.
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

// Write writes the records, one on each line, without Notes.
func (a *Collection) Write(w Writer) error {
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
