package chart

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/trial"
)

// TestSurvival draws a sample with deaths, one without, and more samples than MaxCurves.
func TestSurvival(t *testing.T) {
	samples := []Lives{
		{"died & gone", trial.Sample{{Seconds: 1, Died: true}, {Seconds: 2, Died: true}}},
		{"alive", trial.Sample{{Seconds: 3}}},
		{"for ever", trial.Sample{{Seconds: math.Inf(1)}}},
	}
	for range MaxCurves - len(samples) {
		samples = append(samples, Lives{"one more", trial.Sample{{Seconds: 1}}})
	}
	samples = append(samples, Lives{"left out", trial.Sample{{Seconds: 1}}})
	p, err := Survival(samples)
	require.NoError(t, err)
	assert.Equal(t, []float64{0, 3, 0, 1}, []float64{p.X.Min, p.X.Max, p.Y.Min, p.Y.Max}, "to the end of the longest run")
	svg, err := SVG(p)
	require.NoError(t, err)
	text := string(svg)
	assert.Contains(t, text, "died &amp; gone")
	assert.NotContains(t, text, "left out")
	assert.Equal(t, MaxCurves-3, strings.Count(text, "one more"))
}

// TestRates draws a rate with its interval, and the upper bound of one without a
// death.
func TestRates(t *testing.T) {
	p := New("x", "y")
	require.NoError(t, Rates(p, "both", 0, []Point{
		{X: 1, Rate: trial.Interval{Estimate: 2, Low: 1, High: 4}},
		{X: 2, Rate: trial.Interval{High: 5}},
	}))
	assert.Equal(t, []float64{1, 5}, []float64{p.Y.Min, p.Y.Max})
	require.NoError(t, Rates(p, "neither", 1, nil))
	svg, err := SVG(p)
	require.NoError(t, err)
	assert.Contains(t, string(svg), "both: no death, upper bound")
	assert.NotContains(t, string(svg), "neither")
}
