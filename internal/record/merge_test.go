package record

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/trial"
)

// whole returns the runs of seeds 1 to 32 in one piece.
func whole() (all All) {
	for seed := 1; seed <= 32; seed++ {
		outcome := trial.Died
		if seed%5 == 0 {
			outcome = trial.Survived
		}
		all.Runs = append(all.Runs, Run{
			Head: Head{"run", 1, "go1.27.4"}, Class: "SP", Leaf: true, Func: "f", Observer: "gc", Outcome: outcome, Seed: seed,
			Exposed: float64(seed) / 7, Observations: seed, Engine: "native: linux/arm64, Linux 6.1, cpu", Racing: &trial.Alone,
		})
	}
	return all
}

// TestMerge deals runs to eight shards: what is pooled of them is what one run
// of the same seeds is.
func TestMerge(t *testing.T) {
	one := whole()
	want, err := one.Merge()
	require.NoError(t, err)
	require.Len(t, want.Series, 1)
	assert.Equal(t, 32, want.Series[0].Runs)
	var pooled All
	for shard := range 8 {
		var part All
		for i, r := range one.Runs {
			if i%8 == shard {
				r.Engine, r.Shard = fmt.Sprintf("native: linux/arm64, Linux 6.%d, cpu", shard), fmt.Sprint(shard, "/8")
				part.Runs = append(part.Runs, r)
			}
		}
		part.Windows = []Window{{Head: Head{"window", 1, "go1.27.4"}, PC: "0x1"}}
		part.Verdicts = []Verdict{{Head: Head{"verdict", 1, "go1.27.4"}, Affected: []string{"leaf SP"}}}
		var b bytes.Buffer
		require.NoError(t, part.Write(Writer{To: &b}))
		require.NoError(t, pooled.Read(&b))
	}
	got, err := pooled.Merge()
	require.NoError(t, err)
	require.Len(t, got.Series, 1)
	a, b := want.Series[0], got.Series[0]
	assert.Equal(t, []any{a.Runs, a.Deaths, a.Observations, a.Median}, []any{b.Runs, b.Deaths, b.Observations, b.Median})
	assert.InEpsilon(t, a.Exposed, b.Exposed, 1e-12)
	assert.InEpsilon(t, a.Rate.Estimate, b.Rate.Estimate, 1e-12)
	assert.InEpsilon(t, a.Rate.High, b.Rate.High, 1e-9)
	assert.Len(t, got.Windows, 1)
	assert.Len(t, got.Verdicts, 1)
	again := got
	_, err = again.Merge()
	require.NoError(t, err, "what was merged can be merged")

	twice := pooled
	twice.Runs = append(twice.Runs, one.Runs[3])
	_, err = twice.Merge()
	require.ErrorContains(t, err, `go1.27.4 f SP under gc, seed 4: there twice, in shards "3/8" and ""`)
	other := pooled
	other.Verdicts = append(other.Verdicts, Verdict{Head: Head{"verdict", 1, "go1.27.4"}})
	_, err = other.Merge()
	require.ErrorContains(t, err, "two shards have different verdicts")
	built := pooled
	built.Windows = append(built.Windows, Window{Head: Head{"window", 1, "go1.27.4"}, PC: "0x1", Func: "x"})
	_, err = built.Merge()
	require.ErrorContains(t, err, "two shards have different windows at 0x1")
	emulated := pooled
	emulated.Runs = append(emulated.Runs, Run{Head: Head{"run", 1, "go1.27.4"}, Class: "SP", Func: "f", Observer: "gc", Outcome: trial.Died, Seed: 99, Exposed: 1, Engine: "emulated: x"})
	got, err = emulated.Merge()
	require.NoError(t, err)
	assert.Len(t, got.Series, 2, "engines are not pooled")
}
