package trial

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/crash"
	"splitadd/internal/window"
)

// TestRate compares intervals with published tables.
func TestRate(t *testing.T) {
	for _, c := range []struct {
		deaths    int
		low, high float64 // of Garwood's table, 95 %, for an exposure of 1
	}{
		{1, 0.0253, 5.572}, {2, 0.2422, 7.225}, {5, 1.623, 11.668}, {10, 4.795, 18.390}, {50, 37.111, 65.919},
	} {
		s := make(Sample, c.deaths)
		for i := range s {
			s[i] = Life{Seconds: 1 / float64(c.deaths), Died: true}
		}
		r := s.Rate()
		assert.InDelta(t, float64(c.deaths), r.Estimate, 1e-9)
		assert.InEpsilon(t, c.low, r.Low, 1e-3)
		assert.InEpsilon(t, c.high, r.High, 1e-3)
	}
	never := Sample{{Seconds: 60}, {Seconds: 40}}
	assert.Equal(t, 0.0, never.Rate().Low)
	assert.InEpsilon(t, -math.Log(0.05)/100, never.Rate().High, 1e-6, "the rule of three, exactly")
	assert.InEpsilon(t, 1-math.Sqrt(0.05), never.Chance().High, 1e-6)
	assert.True(t, math.IsInf(Sample{}.Rate().High, 1))
	assert.Equal(t, 1.0, Sample{}.Chance().High)
	// Clopper and Pearson, 3 of 20.
	three := make(Sample, 20)
	for i := range three {
		three[i] = Life{Seconds: 1, Died: i < 3}
	}
	assert.InDelta(t, 0.0321, three.Chance().Low, 1e-4)
	assert.InDelta(t, 0.3789, three.Chance().High, 1e-4)
}

// simulate draws lives with a constant hazard. A life ends at the limit.
func simulate(r *rand.Rand, n int, rate, limit float64) Sample {
	s := make(Sample, n)
	for i := range s {
		life := r.ExpFloat64() / rate
		s[i] = Life{Seconds: min(life, limit), Died: life < limit}
	}
	return s
}

// TestCoverage simulates runs at known rates: the intervals must contain the true rate as
// often as they say, whether runs die or reach the limit.
func TestCoverage(t *testing.T) {
	r := rand.New(rand.NewPCG(73259, 1))
	const rounds = 4000
	for _, c := range []struct {
		runs        int
		rate, limit float64
	}{{30, 2, 40}, {30, 2, 0.3}, {5, 1, 1}, {1, 0.01, 100}, {100, 0.001, 10}, {8, 0.5, math.Inf(1)}} {
		rates, chances, curves := 0, 0, 0
		at := min(0.5/c.rate, c.limit/2)
		die, alive := 1-math.Exp(-c.rate*c.limit), math.Exp(-c.rate*at)
		for range rounds {
			s := simulate(r, c.runs, c.rate, c.limit)
			if i := s.Rate(); i.Low <= c.rate && c.rate <= i.High {
				rates++
			}
			if i := s.Chance(); i.Low <= die && die <= i.High {
				chances++
			}
			low, high := 0.0, 1.0
			for _, step := range s.Survival() {
				if step.Seconds <= at {
					low, high = step.Low, step.High
				}
			}
			if low <= alive && alive <= high {
				curves++
			}
		}
		const least = 0.94 // 95 % less three standard deviations of the simulation
		assert.GreaterOrEqual(t, float64(rates)/rounds, least, "rate, %+v", c)
		assert.GreaterOrEqual(t, float64(chances)/rounds, least, "chance, %+v", c)
		if float64(c.runs)*(1-alive) >= fewDeaths { // Greenwood's variance is for large samples
			assert.InDelta(t, Confidence, float64(curves)/rounds, 0.03, "curve, %+v", c)
		}
	}
}

// TestLogRankCoverage simulates pairs of samples. If there is no difference, p is below
// 0.05 once in twenty times. If there is a large one, it nearly always is.
func TestLogRankCoverage(t *testing.T) {
	r := rand.New(rand.NewPCG(73259, 2))
	same, different := 0, 0
	const rounds = 2000
	for range rounds {
		a := simulate(r, 30, 1, 2)
		if c, err := LogRank(a, simulate(r, 30, 1, 2)); err == nil && c.P < 0.05 {
			same++
		}
		if c, err := LogRank(a, simulate(r, 30, 4, 2)); err == nil && c.P < 0.05 {
			different++
		}
	}
	assert.InDelta(t, 0.05, float64(same)/rounds, 0.02)
	assert.Greater(t, float64(different)/rounds, 0.95)
}

// TestSurvival compares a curve with one that was computed by hand.
func TestSurvival(t *testing.T) {
	s := Sample{{1, 0, true}, {2, 0, false}, {3, 0, true}, {3, 0, true}, {5, 0, false}}
	curve := s.Survival()
	require.Len(t, curve, 2)
	assert.Equal(t, []any{1.0, 5, 1}, []any{curve[0].Seconds, curve[0].AtRisk, curve[0].Deaths})
	assert.InDelta(t, 0.8, curve[0].Alive, 1e-9)
	assert.Equal(t, []any{3.0, 3, 2}, []any{curve[1].Seconds, curve[1].AtRisk, curve[1].Deaths})
	assert.InDelta(t, 0.8/3, curve[1].Alive, 1e-9)
	median, known := s.Median()
	assert.Equal(t, []any{3.0, true}, []any{median, known})
	median, known = Sample{{7, 0, false}, {1, 0, true}, {9, 0, false}}.Median()
	assert.Equal(t, []any{9.0, false}, []any{median, known})

	_, err := LogRank(Sample{{1, 0, false}}, Sample{{1, 0, false}})
	require.Error(t, err)
	// Freireich's remission times, 6-MP against placebo: chi-squared 16.79.
	drug := Sample{{6, 0, true}, {6, 0, true}, {6, 0, true}, {6, 0, false}, {7, 0, true}, {9, 0, false}, {10, 0, true}, {10, 0, false}, {11, 0, false}, {13, 0, true}, {16, 0, true}, {17, 0, false}, {19, 0, false}, {20, 0, false}, {22, 0, true}, {23, 0, true}, {25, 0, false}, {32, 0, false}, {32, 0, false}, {34, 0, false}, {35, 0, false}}
	var placebo Sample
	for _, weeks := range []float64{1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23} {
		placebo = append(placebo, Life{Seconds: weeks, Died: true})
	}
	c, err := LogRank(drug, placebo)
	require.NoError(t, err)
	assert.InDelta(t, 16.79, c.ChiSquared, 0.01)
	median, _ = drug.Median()
	assert.Equal(t, 23.0, median)
}

func TestSampleOf(t *testing.T) {
	w := window.Window{Class: window.SP}
	dead := Run{Class: window.SP, Outcome: Died, Death: crash.Death{Kind: crash.SplitSP, Window: &w}, Exposed: 2, Observations: 3}
	s, err := SampleOf([]Run{dead, {Outcome: Survived, Exposed: 5}, {Outcome: Died, Death: crash.Death{Kind: crash.Unwind}}})
	require.NoError(t, err)
	assert.Equal(t, Sample{{2, 3, true}, {5, 0, false}, {0, 0, true}}, s)
	for _, bad := range []Run{
		{Outcome: HarnessFailure}, {Outcome: NotPreemptible}, {Outcome: Survived, Pinned: true},
		{Outcome: Died, Death: crash.Death{Kind: crash.OtherGo}},
	} {
		_, err := SampleOf([]Run{bad})
		require.Error(t, err, "%v", bad)
	}
}

func TestWarnings(t *testing.T) {
	assert.Equal(t, []string{"nothing was run"}, Sample{}.Warnings())
	never := make(Sample, 10)
	for i := range never {
		never[i].Seconds = 6
	}
	assert.Equal(t, []string{"never in 10 runs, 60.0 s: this proves nothing; the chance of a death in such a run is below 0.26, the rate below 0.05/s (95 %)"}, never.Warnings())
	few := append(Sample{{1, 0, true}}, never...)
	assert.Equal(t, []string{"1 death: the interval is wide", "10 of 11 runs cut off alive: their time counts as exposure"}, few.Warnings())
	assert.Empty(t, simulate(rand.New(rand.NewPCG(1, 1)), 30, 1, math.Inf(1)).Warnings())
	alike := make(Sample, 30)
	for i := range alike {
		alike[i] = Life{Seconds: 1 + float64(i)/1000, Died: true}
	}
	assert.Contains(t, alike.Warnings()[0], "the hazard is not constant")
}
