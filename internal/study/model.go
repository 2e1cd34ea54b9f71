package study

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/optimize"
)

// A Point is what one series of the body experiment measured.
type Point struct {
	Instructions float64 // of a call
	Deaths       float64
	Seconds      float64 // exposed
	ManyVictims  bool    // more victims than CPUs
}

// A Model says how the death rate of a victim depends on the length of its calls. One
// instruction of a call is the window. For a share OffCPU of the requests to preempt it,
// the victim is waiting for a CPU, and the signal lands on any of its instructions. For
// the others it is running. Unless its call outlasts the signal's latency, it sees the
// request in its next prologue and yields there, safely. The model assumes that the
// latency is exponentially distributed, so that
//
//	rate(b) = Requests * (OffCPU/b + (1-OffCPU)*exp(-Latency/b)/b)
//
// for a call of b instructions. For long bodies the rate goes down as 1/b. For short
// bodies of a victim with its own CPU it is close to 0.
type Model struct {
	Latency       float64    // of a signal to a running thread, in instructions
	Requests      [2]float64 // per second, to preempt a victim: lone, crowd
	OffCPU        [2]float64 // share of them, 0 to 1: lone, crowd
	LogLikelihood float64
}

// Rate returns the hazard rate, in deaths per second.
func (m Model) Rate(instructions float64, crowd bool) float64 {
	i := 0
	if crowd {
		i = 1
	}
	return m.Requests[i] / instructions * (m.OffCPU[i] + (1-m.OffCPU[i])*math.Exp(-m.Latency/instructions))
}

// Fit fits a model to points by maximum likelihood: deaths are Poisson
// distributed with the model's rate times the exposure. It is an error if there
// are fewer points than the model has parameters.
func Fit(points []Point) (Model, error) {
	const parameters = 5
	if len(points) < parameters {
		return Model{}, errors.New("too few points for the model")
	}
	model := func(x []float64) Model {
		share := func(v float64) float64 { return 1 / (1 + math.Exp(-v)) }
		return Model{Latency: math.Exp(x[0]), Requests: [2]float64{math.Exp(x[1]), math.Exp(x[2])}, OffCPU: [2]float64{share(x[3]), share(x[4])}}
	}
	cost := func(x []float64) (sum float64) {
		m := model(x)
		for _, p := range points {
			expected := max(m.Rate(p.Instructions, p.ManyVictims)*p.Seconds, 1e-12)
			sum += expected - p.Deaths*math.Log(expected)
		}
		return sum
	}
	best := Model{LogLikelihood: math.Inf(-1)}
	for _, latency := range []float64{3, 5, 7, 9} { // Nelder-Mead goes downhill only
		result, err := optimize.Minimize(optimize.Problem{Func: cost}, []float64{latency, 4, 4, -3, 1}, &optimize.Settings{FuncEvaluations: 20000}, &optimize.NelderMead{})
		if result == nil {
			return best, err
		}
		if -result.F > best.LogLikelihood {
			best = model(result.X)
			best.LogLikelihood = -result.F
		}
	}
	return best, nil
}
