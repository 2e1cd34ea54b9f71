package record

import (
	"fmt"
	"slices"
	"strings"

	"splitadd/internal/trial"
)

// Merge pools the records of shards: runs that were made alike on several
// machines are one experiment, whose exposure is the sum of theirs. Windows and
// verdicts that shards agree on are written once, and every series is made anew
// of the runs that have a seed.
//
// It is an error if a run is there twice, by its release, victim, observer and
// seed, or if shards differ in a window or in a verdict.
func (a *All) Merge() (merged All, err error) {
	windows := map[string]Window{}
	for _, w := range a.Windows {
		key := fmt.Sprint(w.Go, w.Class, w.PC)
		if known, ok := windows[key]; !ok {
			merged.Windows = append(merged.Windows, w)
		} else if known != w {
			return merged, fmt.Errorf("%s: two shards have different windows at %s: were they built alike?", w.Go, w.PC)
		}
		windows[key] = w
	}
	verdicts := map[string]Verdict{}
	for _, v := range a.Verdicts {
		if known, ok := verdicts[v.Go]; !ok {
			merged.Verdicts = append(merged.Verdicts, v)
		} else if !slices.Equal(known.Affected, v.Affected) || known.Proved != v.Proved {
			return merged, fmt.Errorf("%s: two shards have different verdicts: %v and %v", v.Go, known.Affected, v.Affected)
		}
		verdicts[v.Go] = v
	}
	seen := map[string]string{}
	var order []string
	pools := map[string]*trial.Series{}
	releases := map[string]string{}
	for _, r := range a.Runs {
		merged.Runs = append(merged.Runs, r)
		if r.Seed == 0 || r.Pinned {
			continue
		}
		key := fmt.Sprintf("%s %s %s under %s, seed %d", r.Go, r.Func, r.Class, r.Observer, r.Seed)
		if shard, twice := seen[key]; twice {
			return merged, fmt.Errorf("%s: there twice, in shards %q and %q", key, shard, r.Shard)
		}
		seen[key] = r.Shard
		if r.Outcome != trial.Died && r.Outcome != trial.Survived {
			return merged, fmt.Errorf("%s: %s: nothing was measured", key, r.Outcome)
		}
		// what has to be alike for exposures to be added up
		pool := fmt.Sprint(r.Go, r.Func, r.Class, r.Observer, engineKind(r.Engine))
		s := pools[pool]
		if s == nil {
			s = &trial.Series{
				Label: "pooled", Func: r.Func, Class: r.Class, Leaf: r.Leaf, Frame: r.Frame, Observer: r.Observer, Engine: r.Engine,
			}
			if r.Racing != nil {
				s.Racing = *r.Racing
			}
			pools[pool], releases[pool] = s, r.Go
			order = append(order, pool)
		}
		s.Sample = append(s.Sample, trial.Life{Seconds: r.Exposed, Observations: r.Observations, Died: r.Outcome == trial.Died})
	}
	for _, pool := range order {
		if s := pools[pool]; s.Sample.Seconds() > 0 {
			record := Writer{Go: releases[pool], Engine: s.Engine}.series(*s)
			merged.Series = append(merged.Series, record)
		}
	}
	return merged, nil
}

// engineKind returns what kind of engine it is, without the machine it ran on: rates
// of different kinds are not to be pooled.
func engineKind(engine string) string {
	kind, _, _ := strings.Cut(engine, ", on ")
	if strings.HasPrefix(kind, "native: ") {
		kind, _, _ = strings.Cut(kind, ",")
	}
	return kind
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
