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

// TestSplitADDStress runs the binary as it was built under stress, for each kind of window
// it has. A death has to be that of a window, and is looked for again where its
// log does not say where the goroutine was; a survival says how long the victim
// was exposed, and is no failure.
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

// BenchmarkSplitADDTimeToCrash measures how long each victim with a window
// lives, the canonical reproducer as it was published among them. Each line is
// one run: -count says how many. A run that outlives -limit is marked: it has
// 1 cut-off, its s/exposed counts, and it has no s/crash.
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
	// A leaf with both windows may die of the other one under the tracer.
	require.True(b, r.Outcome == trial.Survived || r.Outcome == trial.Died && r.Death.Kind.Unwinding(), "%v\n%s", r, r.Log)
	b.ReportMetric(0, "ns/op") // a run that is cut off took as long as it was let
	b.ReportMetric(r.Exposed, "s/exposed")
	b.ReportMetric(float64(r.Observations), "observations")
	if r.Outcome == trial.Died {
		b.ReportMetric(r.Exposed, "s/crash")
		b.ReportMetric(0, "cut-off")
	} else {
		b.ReportMetric(1, "cut-off")
	}
}
