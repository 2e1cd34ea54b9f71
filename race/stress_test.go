package race

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"splitadd/internal/trial"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// TestSplitADDStress makes a stress run of the unmodified binary for each kind of window
// it has. A death must be caused by a window. If the log does not show where the
// goroutine was, the run is repeated. If a run survives, the test logs its exposure and
// does not fail.

func TestSplitADDStress(t *testing.T) {
	t.Logf("%s; %s", runtime.Version(), engine.Evidence)
	stressed := 0
	for kind, w := range guest.StressWindows() {
		stressed++
		t.Run(kind, func(t *testing.T) {
			c := guest.Case(w)
			stress := func() (trial.Run, error) {
				return guest.Stress(ctx, c.Func, w.Class, trial.Observer(w.Class), trial.DefaultStress, *limit)
			}
			r, err := trial.RerunUnattributed(stress, func(r trial.Run) { t.Logf("%s, frame %d: %v", c.Func, c.Frame, r) })
			require.NoError(t, err)
			if r.Outcome != trial.Survived && !r.Confirmed() {
				t.Errorf("the death is not that of a %s window\n%s", kind, r.Log)
			}
		})
	}
	t.Logf("%d kinds of window to stress", stressed)
}

// BenchmarkSplitADDTimeToCrash measures how long each victim with a window lives. One of
// them is the canonical reproducer as it was published. Each line is one run, and -count
// sets their number. A run that reaches -limit has 1 cut-off instead of s/crash, and its
// s/exposed counts.
func BenchmarkSplitADDTimeToCrash(b *testing.B) {
	for _, c := range victim.Cases() {
		for _, w := range guest.Preemptible(c.Func) {
			b.Run(fmt.Sprintf("func=%s/class=%s", c.Func, w.Class), func(b *testing.B) {
				if b.N > 1 {
					b.Skip("one line a run: -benchtime 1x -count N")
				}
				timeToCrash(b, c, w)
			})
		}
	}
}

func timeToCrash(b *testing.B, c victim.Case, w window.Window) {
	how := trial.DefaultStress
	if c.Func == "canonical" {
		how = trial.SingleVictim
	}
	var r trial.Run
	var err error
	for range b.N {
		r, err = guest.Stress(ctx, c.Func, w.Class, trial.Observer(w.Class), how, *limit)
		require.NoError(b, err)
	}
	// Under the tracer, a leaf function with both windows may die of the other one.
	require.True(b, r.Outcome == trial.Survived || r.Outcome == trial.Died && r.Death.Kind.WhileUnwinding(), "%v\n%s", r, r.Log)
	b.ReportMetric(0, "ns/op") // the time of a run that reached its limit means nothing
	b.ReportMetric(r.Exposed, "s/exposed")
	b.ReportMetric(float64(r.Observations), "observations")
	if r.Outcome == trial.Died {
		b.ReportMetric(r.Exposed, "s/crash")
		b.ReportMetric(0, "cut-off")
	} else {
		b.ReportMetric(1, "cut-off")
	}
}
