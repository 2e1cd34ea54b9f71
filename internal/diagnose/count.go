package diagnose

import (
	"bytes"
	"math"

	"gonum.org/v1/gonum/stat/combin"

	"splitadd/internal/crash"
	"splitadd/internal/crash/pattern"
	"splitadd/internal/lab/process"
	"splitadd/internal/window"
)

// A Count says how many runs of one way ended in which manner.
type Count struct {
	Way        string
	Runs       int
	Deaths     int                // ended by a signal, or with a status and a Go crash's text
	Failed     int                // ended by itself with a status other than 0
	Hung       int                // killed by splitadd, at the limit
	Cut        int                // printed so much that the middle was not read
	Kinds      map[crash.Kind]int // of deaths
	FirstDeath crash.Death        // the first death that names a window, or the first
	DataRaces  int                // runs in which the race detector reported a data race
	RaceReport string             // the first lines of its first report
}

var raceReport = pattern.New(`(?s)WARNING: DATA RACE\n(.{0,600})`)

// add counts a run.
func (c *Count) add(result process.Result, windows []window.Window) {
	c.Runs++
	if result.Dropped > 0 {
		c.Cut++
	}
	if m := raceReport.FindSubmatch(result.Output); m != nil {
		c.DataRaces++
		lines := bytes.SplitN(m[1], []byte("\n"), 4)
		c.RaceReport = string(bytes.Join(lines[:min(3, len(lines))], []byte("\n")))
		return
	}
	death := crash.Classify(result.Output, windows)
	switch {
	case result.End != process.Exited: // the signal was ours
		c.Hung++
	case result.Signal != "" || result.Code != 0 && death.Kind != "":
		c.Deaths++
		if death.Kind == "" {
			death.Kind, death.Evidence = "killed by a signal", result.Signal
		}
		c.Kinds[death.Kind]++
		if c.Deaths == 1 || death.Window != nil && c.FirstDeath.Window == nil {
			c.FirstDeath = death
		}
	case result.Code != 0:
		c.Failed++
	}
}

// count returns the count of a way, which is zero if the way was not tried.
func (r *Report) count(way string) Count {
	for _, c := range r.Counts {
		if c.Way == way {
			return c
		}
	}
	return Count{Way: way}
}

// unwindDeaths returns how many deaths look like this defect.
func (c Count) unwindDeaths() int {
	return c.Kinds[crash.SplitSP] + c.Kinds[crash.SplitFP] + c.Kinds[crash.Unwind]
}

// significance is the greatest p for which two ways count as different.
const significance = 0.05

// fisher returns the p-value of a deaths in n runs against b deaths in m runs: the
// probability of a or more, given a+b deaths in all (Fisher's exact test, one-sided).
func fisher(a, n, b, m int) (p float64) {
	choose := func(n, k int) float64 { return combin.LogGeneralizedBinomial(float64(n), float64(k)) }
	all := choose(n+m, a+b)
	for k := a; k <= min(n, a+b); k++ {
		if a+b-k <= m {
			p += math.Exp(choose(n, k) + choose(m, a+b-k) - all)
		}
	}
	return min(p, 1)
}
