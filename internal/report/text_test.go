package report

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/crash"
	"splitadd/internal/trial"
	"splitadd/internal/window"
)

func example() Check {
	sp := window.Window{
		Class: window.SP, Func: "splitadd/internal/victim.leaf65552", Leaf: true, Entry: 0x1000, PC: 0x106c,
		Frame: 65552, Claimed: 65552, Actual: 65536, Known: true, Preemptible: true,
	}
	run := trial.Run{
		Class: window.SP, Leaf: true, Func: "leaf65552", Frame: 65552, Observer: "gc", Outcome: trial.Died,
		Death: crash.Death{Kind: crash.SplitSP, Window: &sp}, Seconds: 0.81,
	}
	pinned := run
	pinned.Pinned, pinned.Window, pinned.Seconds = true, sp, 0.1
	return Check{
		Go: "go1.27.4", Engine: "native linux/arm64", Windows: []window.Window{sp}, Runs: []trial.Run{pinned, run}, Victims: 43,
		Controls: []trial.Run{
			{Func: "leaf4096", Observer: "gc", Pinned: true, Outcome: trial.Survived, Seconds: 0.2, Observations: 20, Window: window.Window{Entry: 0x2000, PC: 0x2068}},
			{Func: "nonleaf65552", Observer: "gc", Pinned: true, Outcome: trial.NotPreemptible, Window: window.Window{Entry: 0x3000, PC: 0x3080}},
			{Func: "nonleaf65552", Observer: "gc", Outcome: trial.Survived, Seconds: 2.1, Observations: 40},
		},
		Verdict: trial.Verdict{Affected: []string{"leaf SP"}, Proved: true},
	}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, example().Text(&b))
	assert.Equal(t, `go1.27.4, victims for arm64; native linux/arm64

kind      frame   window           actual, claimed   pinned there        stress run
leaf SP   65552   leaf65552+0x6c   65536, 65552      died, 0.10 s (gc)   died, 0.81 s (gc)

42 of 43 victims have no window.
control   leaf4096+0x68       pinned: survived 0.2 s, 20 observations (gc)
control   nonleaf65552+0x80   pinned: not preemptible (gc)
control   nonleaf65552        as built: survived 2.1 s, 40 observations (gc)

verdict: go1.27.4 is affected: leaf SP
`, b.String())
}

// TestTested shows that windows are mentioned only if there were any to pin.
func TestTested(t *testing.T) {
	assert.Equal(t, "every one of 14 windows pinned, nothing died in 2 control pins, nor in 1 run of unmodified guests, 2.0 s",
		Tested(trial.Tested{Windows: 14, Controls: 2, Stress: 1, Seconds: 2}))
	assert.Equal(t, "the 1 window that was found pinned, nothing died in 1 control pin", Tested(trial.Tested{Windows: 1, Controls: 1}))
	assert.NotContains(t, Tested(trial.Tested{Controls: 1}), "window pinned")
}

func TestConclusion(t *testing.T) {
	for want, v := range map[string]trial.Verdict{
		"verdict: go1.27.4 is affected: leaf SP": {Affected: []string{"leaf SP"}, Proved: true},
		"verdict: go1.27.4 is clean: no window found, nothing died in 4 control pins, nor in 3 runs of unmodified guests, 6.1 s": {
			Proved: true, Tested: trial.Tested{Controls: 4, Stress: 3, Seconds: 6.1},
		},
		"verdict: go1.27.4 has windows (static, nothing was run): leaf SP": {Affected: []string{"leaf SP"}},
		"verdict: go1.27.4 has no windows (static, nothing was run)":       {},
		"verdict: none for go1.27.4: a pin survived; the control did not":  {Proved: true, Doubts: []string{"a pin survived", "the control did not"}},
	} {
		c := example()
		c.Verdict = v
		assert.Equal(t, want, c.Conclusion())
	}
}
