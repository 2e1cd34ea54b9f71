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
		Control: trial.Run{Func: "leaf4096", Observer: "gc", Outcome: trial.Survived, Seconds: 0.2, Observations: 20, Window: window.Window{Entry: 0x2000, PC: 0x2068}},
		Verdict: trial.Verdict{Affected: []string{"leaf SP"}, Proved: true},
	}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, example().Text(&b))
	assert.Equal(t, `go1.27.4, victims for arm64; native linux/arm64

kind      frame   window           actual, claimed   pinned there        raced as built
leaf SP   65552   leaf65552+0x6c   65536, 65552      died, 0.10 s (gc)   died, 0.81 s (gc)

42 of 43 victims have no window. Control, pinned at leaf4096+0x68, where there is none: survived 0.2 s, 20 observations (gc).

verdict: go1.27.4 is affected: leaf SP
`, b.String())
}

func TestConclusion(t *testing.T) {
	for want, v := range map[string]trial.Verdict{
		"verdict: go1.27.4 is affected: leaf SP":                           {Affected: []string{"leaf SP"}, Proved: true},
		"verdict: go1.27.4 is clean: no window in any victim":              {Proved: true},
		"verdict: go1.27.4 has windows (static, nothing was run): leaf SP": {Affected: []string{"leaf SP"}},
		"verdict: go1.27.4 has no windows (static, nothing was run)":       {},
		"verdict: none for go1.27.4: a pin survived; the control did not":  {Proved: true, Doubts: []string{"a pin survived", "the control did not"}},
	} {
		c := example()
		c.Verdict = v
		assert.Equal(t, want, c.Conclusion())
	}
}
