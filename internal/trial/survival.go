package trial

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/mathext"
)

// A SurvivalStep is a point of a Kaplan-Meier curve: from Seconds on, up to the next
// step, the share Alive of all victims lives.
type SurvivalStep struct {
	Seconds   float64
	AtRisk    int // runs that lasted until this time
	Deaths    int // at this time
	Alive     float64
	Low, High float64 // pointwise; the confidence is about Confidence once about ten have died
}

// Survival returns the Kaplan-Meier curve (JASA 53, 1958), with a step for each time of
// death, and Greenwood's variance on the log-log scale. The curve says nothing about times
// after the longest run.
func (s Sample) Survival() (curve []SurvivalStep) {
	lives := s.sorted()
	z := mathext.NormalQuantile(1 - (1-Confidence)/2)
	alive, variance := 1.0, 0.0
	for i := 0; i < len(lives); {
		at, deaths, same := lives[i].Seconds, 0, 0
		for ; i+same < len(lives) && lives[i+same].Seconds == at; same++ {
			if lives[i+same].Died {
				deaths++
			}
		}
		risk := len(lives) - i
		i += same
		if deaths == 0 {
			continue
		}
		alive *= 1 - float64(deaths)/float64(risk)
		step := SurvivalStep{Seconds: at, AtRisk: risk, Deaths: deaths, Alive: alive, High: 1}
		if alive > 0 {
			variance += float64(deaths) / float64(risk) / float64(risk-deaths)
			spread := z * math.Sqrt(variance) / math.Abs(math.Log(alive))
			step.Low, step.High = math.Pow(alive, math.Exp(spread)), math.Pow(alive, math.Exp(-spread))
		} else if len(curve) > 0 {
			step.High = curve[len(curve)-1].High
		}
		curve = append(curve, step)
	}
	return curve
}

// Median returns the time by which half of the victims have crashed, by the
// Kaplan-Meier curve. If more than half were still alive at the end, known is false and
// seconds is the longest life seen, a lower bound.
func (s Sample) Median() (seconds float64, known bool) {
	for _, step := range s.Survival() {
		if step.Alive <= 0.5 {
			return step.Seconds, true
		}
	}
	for _, l := range s {
		seconds = max(seconds, l.Seconds)
	}
	return seconds, false
}

// A Comparison is the outcome of a log-rank test.
type Comparison struct {
	ChiSquared float64 // one degree of freedom
	P          float64 // the probability of a difference at least this large between equal hazards
	Ratio      float64 // the first hazard rate over the second; NaN if both are 0
}

// LogRank compares how long the victims of two samples live (Mantel, Cancer
// Chemotherapy Reports 50, 1966). It is an error if neither sample has a death.
func LogRank(a, b Sample) (c Comparison, err error) {
	if a.Deaths()+b.Deaths() == 0 {
		return c, errors.New("no death in either sample: nothing to compare")
	}
	var all Sample
	all = append(append(all, a...), b...)
	var observed, expected, variance float64
	for _, step := range all.Survival() {
		n, d := float64(step.AtRisk), float64(step.Deaths)
		var risk, deaths float64 // of a
		for _, l := range a {
			if l.Seconds >= step.Seconds {
				risk++
			}
			if l.Seconds == step.Seconds && l.Died {
				deaths++
			}
		}
		observed += deaths
		expected += d * risk / n
		if n > 1 {
			variance += d * risk / n * (1 - risk/n) * (n - d) / (n - 1)
		}
	}
	c.Ratio = a.Rate().Estimate / b.Rate().Estimate
	c.P = 1
	if variance > 0 {
		c.ChiSquared = (observed - expected) * (observed - expected) / variance
		c.P = mathext.GammaIncRegComp(0.5, c.ChiSquared/2) // one degree of freedom
	}
	return c, nil
}
