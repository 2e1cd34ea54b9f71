package trial

import (
	"context"
	"errors"
	"time"

	"splitadd/internal/window"
)

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
		r, err := g.stress(ctx, conditions{s.Func, s.Class, s.Observer, s.Stress, s.Limit, s.Env, s.Under, seed})
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
