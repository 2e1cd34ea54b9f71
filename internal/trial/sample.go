package trial

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"

	"github.com/dustin/go-humanize/english"
)

// Confidence is the confidence of every interval and bound, unless its text names
// another.
const Confidence = 0.95

// A Life is how long a victim lived in one stress run.
type Life struct {
	Seconds      float64 // exposed: from the victims' start to death, or to the end
	Observations int     // completed, according to the guest's last report
	Died         bool    // of the defect; if false, the life is right-censored: the victim was still alive
}

// A Sample is the lives in runs of the same victim, with the same binary, engine and
// machine. The order does not matter.
type Sample []Life

// SampleOf returns the lives of stress runs. It is an error if a run measured nothing, was
// pinned, or died of something that is not an unwind failure, because such runs say
// nothing about the hazard. A death also counts if its log does not name a window.
func SampleOf(runs []Run) (Sample, error) {
	var s Sample
	for _, r := range runs {
		died := r.Outcome == Died && r.Death.Kind.WhileUnwinding()
		if r.Pinned || r.Outcome != Survived && !died {
			return nil, fmt.Errorf("%s, frame %d: not the life of a victim in a stress run: %v", r.Func, r.Frame, r)
		}
		s = append(s, Life{r.Exposed, r.Observations, died})
	}
	return s, nil
}

// Deaths returns how many died.
func (s Sample) Deaths() (n int) {
	for _, l := range s {
		if l.Died {
			n++
		}
	}
	return n
}

// Seconds returns the exposure of all runs together.
func (s Sample) Seconds() (sum float64) {
	for _, l := range s {
		sum += l.Seconds
	}
	return sum
}

// Observations returns the observations of all runs together.
func (s Sample) Observations() (n int) {
	for _, l := range s {
		n += l.Observations
	}
	return n
}

// An Interval is an estimate with bounds. The true value is within the bounds with a
// probability of at least the confidence.
type Interval struct {
	Estimate, Low, High float64
	Confidence          float64
}

// Rate returns the hazard rate, in deaths per second of exposure, with the exact
// Poisson interval of Garwood (Biometrika 28, 1936): bounds of chi-squared
// quantiles with 2d and 2d+2 degrees of freedom over twice the exposure. (Half of such a
// quantile is the inverse of the regularized incomplete gamma function at d or d+1.) It is exact
// if the exposure was fixed, and wider than necessary if runs ended by death. Without
// a death the estimate is 0 and High is the one-sided bound. Without exposure High is
// infinite.
func (s Sample) Rate() Interval {
	d, t := float64(s.Deaths()), s.Seconds()
	i := Interval{Confidence: Confidence, High: math.Inf(1)}
	if t <= 0 {
		return i
	}
	tail := (1 - Confidence) / 2
	if d == 0 {
		tail = 1 - Confidence
	} else {
		i.Low = mathext.GammaIncRegInv(d, tail) / t
	}
	i.Estimate = d / t
	i.High = mathext.GammaIncRegInv(d+1, 1-tail) / t
	return i
}

// Chance returns the probability that a run dies, from the numbers of runs and deaths
// alone, with the exact interval of Clopper and Pearson (Biometrika 26, 1934). If none of
// N runs died, the estimate is 0, and High is the probability of death at which N
// survivals in a row have a probability of 1 - Confidence.
func (s Sample) Chance() Interval {
	d, n := float64(s.Deaths()), float64(len(s))
	i := Interval{Confidence: Confidence, High: 1}
	if n == 0 {
		return i
	}
	i.Estimate = d / n
	low, high := (1-Confidence)/2, (1-Confidence)/2
	if d == 0 {
		high = 1 - Confidence
	}
	if d == n {
		low = 1 - Confidence
	}
	if d > 0 {
		i.Low = mathext.InvRegIncBeta(d, n-d+1, low)
	}
	if d < n {
		i.High = mathext.InvRegIncBeta(d+1, n-d, 1-high)
	}
	return i
}

// fewDeaths is the number of deaths below which the interval is called wide. At this
// number its ends are a factor of about four apart.
const fewDeaths = 10

// Warnings returns what a reader must know about the sample's figures.
func (s Sample) Warnings() (warnings []string) {
	n, d := len(s), s.Deaths()
	switch {
	case n == 0:
		return []string{"nothing was run"}
	case d == 0:
		warnings = append(warnings, fmt.Sprintf(
			"never in %s, %.1f s: this proves nothing; the chance of a death in such a run is below %.2g, the rate below %.2g/s (95 %%)",
			english.Plural(n, "run", ""), s.Seconds(), s.Chance().High, s.Rate().High))
	case d < fewDeaths:
		warnings = append(warnings, fmt.Sprintf("%s: the interval is wide", english.Plural(d, "death", "")))
	}
	if cut := n - d; d > 0 && cut > 0 {
		warnings = append(warnings, fmt.Sprintf("%d of %d runs cut off alive: their time counts as exposure", cut, n))
	}
	if c, ok := s.dispersion(); ok && (c < 0.5 || c > 2) {
		warnings = append(warnings, fmt.Sprintf("the hazard is not constant: standard deviation over mean of the lives is %.2f instead of 1", c))
	}
	return warnings
}

// dispersion returns the standard deviation of the lives over their mean, which
// is 1 for a constant hazard. It needs a sample of deaths only, and enough of them.
func (s Sample) dispersion() (float64, bool) {
	if s.Deaths() < len(s) || len(s) < 2*fewDeaths {
		return 0, false
	}
	mean, square := s.Seconds()/float64(len(s)), 0.0
	for _, l := range s {
		square += (l.Seconds - mean) * (l.Seconds - mean)
	}
	return math.Sqrt(square/float64(len(s)-1)) / mean, mean > 0
}

// sorted returns the lives, the shortest first. Of two equally long lives, the one that
// ended in death comes first.
func (s Sample) sorted() Sample {
	s = slices.Clone(s)
	slices.SortFunc(s, func(a, b Life) int {
		switch {
		case a.Seconds < b.Seconds, a.Seconds == b.Seconds && a.Died && !b.Died:
			return -1
		case a.Seconds > b.Seconds, a.Died != b.Died:
			return 1
		}
		return 0
	})
	return s
}
