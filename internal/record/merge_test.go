package record

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/trial"
)

// runsOf32Seeds returns the runs of seeds 1 to 32 under one condition.
func runsOf32Seeds() (all Collection) {
	for seed := 1; seed <= 32; seed++ {
		outcome := trial.Died
		if seed%5 == 0 {
			outcome = trial.Survived
		}
		all.Runs = append(all.Runs, Run{
			Header: Header{"run", 1, "go1.27.4"}, Class: "SP", Leaf: true, Func: "f", Observer: "gc", Outcome: outcome, Seed: seed, Death: map[trial.Outcome]string{trial.Died: "split SP"}[outcome],
			Exposed: float64(seed) / 7, Observations: seed, Engine: "native: linux/arm64, Linux 6.1, cpu", Stress: &trial.SingleVictim,
		})
	}
	return all
}

// TestMerge divides runs among eight shards. The pooled records equal those of one run
// with the same seeds.
func TestMerge(t *testing.T) {
	one := runsOf32Seeds()
	want, err := one.Merge()
	require.NoError(t, err)
	require.Len(t, want.Series, 1)
	assert.Equal(t, 32, want.Series[0].Runs)
	var pooled Collection
	for shard := range 8 {
		var part Collection
		for i, r := range one.Runs {
			if i%8 == shard {
				r.Engine, r.Shard = "native: linux/arm64, Linux 6.1, cpu", fmt.Sprint(shard, "/8")
				part.Runs = append(part.Runs, r)
			}
		}
		part.Windows = []Window{{Header: Header{"window", 1, "go1.27.4"}, PC: "0x1"}}
		part.Verdicts = []Verdict{{Header: Header{"verdict", 1, "go1.27.4"}, Affected: []string{"leaf SP"}}}
		var b bytes.Buffer
		require.NoError(t, part.Write(Writer{Out: &b}))
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
	require.NoError(t, err, "the result of a merge can be merged")

	twice := pooled
	twice.Runs = append(twice.Runs, one.Runs[3])
	_, err = twice.Merge()
	require.ErrorContains(t, err, `go1.27.4 f SP under gc, seed 4: recorded twice, in shards "3/8" and ""`)
	other := pooled
	other.Verdicts = append(other.Verdicts, Verdict{Header: Header{"verdict", 1, "go1.27.4"}})
	_, err = other.Merge()
	require.ErrorContains(t, err, "two shards have different verdicts")
	built := pooled
	built.Windows = append(built.Windows, Window{Header: Header{"window", 1, "go1.27.4"}, PC: "0x1", Func: "x"})
	_, err = built.Merge()
	require.ErrorContains(t, err, "two shards have different windows at 0x1")
	emulated := pooled
	emulated.Runs = append(emulated.Runs, Run{Header: Header{"run", 1, "go1.27.4"}, Class: "SP", Func: "f", Observer: "gc", Outcome: trial.Died, Death: "split SP", Seed: 99, Exposed: 1, Engine: "emulated: x"})
	got, err = emulated.Merge()
	require.NoError(t, err)
	assert.Len(t, got.Series, 2, "engines are not pooled")
}

// TestMergeConditions tests that runs with different conditions are not pooled, and that a
// note says so if their series have the same name.
func TestMergeConditions(t *testing.T) {
	for name, change := range map[string]func(*Run){
		"release":    func(r *Run) { r.Go = "go1.26.8" },
		"victim":     func(r *Run) { r.Func = "g" },
		"frame":      func(r *Run) { r.Frame = 99 },
		"class":      func(r *Run) { r.Class, r.Death = "FP", "split FP" },
		"leaf":       func(r *Run) { r.Leaf = false },
		"observer":   func(r *Run) { r.Observer = "trace" },
		"victims":    func(r *Run) { r.Stress = &trial.StressConfig{Victims: 8} },
		"no stress":  func(r *Run) { r.Stress = nil },
		"engine":     func(r *Run) { r.Engine = "emulated: qemu-aarch64 7.2.22, on linux/amd64, Linux 6.1, cpu, 2 cpus" },
		"version":    func(r *Run) { r.Engine = "emulated: qemu-aarch64 10.0.2, on linux/amd64, Linux 6.1, cpu, 2 cpus" },
		"cpus":       func(r *Run) { r.Engine = "native: linux/arm64, Linux 6.1, cpu, 64 cpus" },
		"model":      func(r *Run) { r.Engine = "native: linux/arm64, Linux 6.1, another" },
		"kernel":     func(r *Run) { r.Engine = "native: linux/arm64, Linux 6.2, cpu" },
		"their seed": func(r *Run) {},
	} {
		t.Run(name, func(t *testing.T) {
			all := runsOf32Seeds()
			for _, r := range runsOf32Seeds().Runs {
				r.Seed += 100
				change(&r)
				all.Runs = append(all.Runs, r)
			}
			merged, err := all.Merge()
			require.NoError(t, err)
			want := 2
			if name == "their seed" {
				want = 1
			}
			assert.Len(t, merged.Series, want)
			alike := want == 1 || name == "release" || name == "victim" || name == "class" || name == "observer"
			assert.Equal(t, alike, len(merged.Notes) == 0, "runs that look alike: %v", merged.Notes)
		})
	}
}

// TestMergeDeaths tests that only deaths of the runs' class of window count.
func TestMergeDeaths(t *testing.T) {
	all := runsOf32Seeds()
	want, err := all.Merge()
	require.NoError(t, err)
	for i, death := range []string{"out of memory", "other Go fatal error", "corrupt result", "split FP", "unwind failure", ""} {
		all.Runs = append(all.Runs, Run{
			Header: Header{"run", 1, "go1.27.4"}, Class: "SP", Leaf: true, Func: "f", Observer: "gc", Outcome: trial.Died, Death: death, Seed: 100 + i,
			Exposed: 1000, Engine: "native: linux/arm64, Linux 6.1, cpu", Stress: &trial.SingleVictim,
		})
	}
	got, err := all.Merge()
	require.NoError(t, err)
	require.Len(t, got.Series, 1)
	assert.Equal(t, want.Series[0].Rate, got.Series[0].Rate)
	assert.Equal(t, want.Series[0].Runs, got.Series[0].Runs)
	require.Len(t, got.Notes, 6)
	assert.Equal(t, `go1.27.4 f SP under gc, seed 100: left out: it died of "out of memory", not of a window that was stressed`, got.Notes[0])
	assert.Contains(t, got.Series[0].Warnings, "6 runs are left out: they died, and their logs do not show that it was of this kind of window")
	assert.Len(t, got.Runs, 38, "the records stay")
}
