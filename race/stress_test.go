package race

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"splitadd/internal/crash"
	"splitadd/internal/trial"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// TestSplitADDStress races the binary as it was built, for each kind of window
// it has. A death has to be that of a window, and is looked for again where its
// log does not say where the goroutine was; a survival says how long the victim
// was exposed, and is no failure.
func TestSplitADDStress(t *testing.T) {
	t.Logf("%s; %s", runtime.Version(), engine.Evidence)
	raced := 0
	for kind, w := range guest.Telling() {
		raced++
		t.Run(kind, func(t *testing.T) {
			c := guest.Case(w)
			race := func() (trial.Run, error) {
				return guest.Race(ctx, c.Func, w.Class, trial.Observer(w.Class), *limit)
			}
			r, err := trial.Told(race, func(r trial.Run) { t.Logf("%s, frame %d: %v", c.Func, c.Frame, r) })
			require.NoError(t, err)
			if r.Outcome != trial.Survived && !r.Confirmed() {
				t.Errorf("the death is not that of a %s window\n%s", kind, r.Log)
			}
		})
	}
	t.Logf("%d kinds of window to race", raced)
}

// BenchmarkSplitADDTimeToCrash measures how long each victim with a window
// lives, the canonical reproducer as it was published among them. A run that
// outlives -limit is cut off: its time counts as exposure, and not as a crash.
func BenchmarkSplitADDTimeToCrash(b *testing.B) {
	for _, c := range victim.Cases() {
		for _, w := range guest.Preemptible(c.Func) {
			b.Run(c.Func+"/"+string(w.Class), func(b *testing.B) { timeToCrash(b, c, w) })
		}
	}
}

func timeToCrash(b *testing.B, c victim.Case, w window.Window) {
	race := guest.Race
	if c.Func == "canonical" {
		race = guest.RaceAlone
	}
	var seconds, observations, deaths float64
	for range b.N {
		r, err := race(ctx, c.Func, w.Class, trial.Observer(w.Class), *limit)
		require.NoError(b, err)
		require.True(b, r.Outcome == trial.Survived || r.Confirmed() || r.Death.Kind == crash.Unwind, "%v\n%s", r, r.Log)
		seconds += r.Seconds
		observations += float64(r.Observations)
		if r.Outcome == trial.Died {
			deaths++
		}
	}
	b.ReportMetric(0, "ns/op") // a run that is cut off took as long as it was let
	b.ReportMetric(seconds, "exposed-s")
	b.ReportMetric(deaths, "crashes")
	b.ReportMetric(float64(b.N)-deaths, "cut-off")
	if deaths > 0 {
		b.ReportMetric(seconds/deaths, "s/crash")
		b.ReportMetric(observations/deaths, "observations/crash")
	}
}
