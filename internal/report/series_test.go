package report

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/trial"
)

func TestSeries(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Series(&b, []trial.Series{
		{Func: "leaf65552", Class: "SP", Leaf: true, Observer: "gc", Stress: trial.SingleVictim, Sample: trial.Sample{{Seconds: 1, Died: true}, {Seconds: 3, Died: true}}},
		{Func: "canonical", Class: "SP", Leaf: true, Observer: "gc", Stress: trial.SingleVictim, Sample: trial.Sample{{Seconds: 60}}},
	}))
	assert.Equal(t, `kind      victim      observer   runs   died   exposed   median   deaths per second, 95 %   how
leaf SP   leaf65552   gc         2      2      4.0 s     1 s      0.5 (0.061 to 1.8)        1 victim
leaf SP   canonical   gc         1      0      60.0 s    > 60 s   < 0.05                    1 victim
leaf65552: 2 deaths: the interval is wide
canonical: never in 1 run, 60.0 s: this proves nothing; the chance of a death in such a run is below 0.95, the rate below 0.05/s (95 %)
`, b.String())
}

// TestTwoDigits shows that a median or a rate of any size is printed without an exponent.
func TestTwoDigits(t *testing.T) {
	for _, c := range []struct {
		sample       trial.Sample
		median, rate string
	}{
		{trial.Sample{{Seconds: 120}}, "> 120 s", "< 0.025"},
		{trial.Sample{{Seconds: 0.3456, Died: true}}, "0.35 s", "2.9 (0.073 to 16)"},
		{trial.Sample{{Seconds: 558}, {Seconds: 123, Died: true}}, "120 s", "0.0015 (0.000037 to 0.0082)"},
	} {
		assert.Equal(t, c.median, Median(c.sample))
		assert.Equal(t, c.rate, Rate(c.sample))
	}
}
