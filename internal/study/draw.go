package study

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"splitadd/internal/chart"
	"splitadd/internal/record"
	"splitadd/internal/trial"
)

// rates adds the rates of series to a chart. The function x returns their places on
// the axis.
func rates(p *plot.Plot, name string, n int, of []record.Series, x func(record.Series) float64) error {
	var points []chart.Point
	for _, s := range of {
		points = append(points, chart.Point{X: x(s), Rate: s.Sample().Rate()})
	}
	return chart.Rates(p, name, n, points)
}

// with returns the series whose label contains a part.
func with(of []record.Series, part string) (some []record.Series) {
	for _, s := range of {
		if strings.Contains(s.Label, "/"+part+"/") {
			some = append(some, s)
		}
	}
	return some
}

func drawBody(of []record.Series, m Model) (*plot.Plot, error) {
	p := chart.New("instructions per call", "deaths per second")
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
	low, high := math.Inf(1), 0.0
	for i, way := range []string{"lone", "crowd"} {
		some := with(of, way)
		if err := rates(p, way, i, some, func(s record.Series) float64 { return Instructions(s.Stress.Body) }); err != nil {
			return nil, err
		}
		var line plotter.XYs
		for x := Instructions(0); x < 2*Instructions(Bodies[len(Bodies)-1]); x *= 1.1 {
			if y := m.Rate(x, way == "crowd"); y > 1e-4 {
				line = append(line, plotter.XY{X: x, Y: y})
			}
		}
		if err := chart.Curve(p, way+", model", i, line, plotter.NoStep); err != nil {
			return nil, err
		}
		for _, s := range some {
			low, high = min(low, s.Rate.High), max(high, s.Rate.High)
		}
	}
	p.Y.Min, p.Y.Max = low/20, high*2
	return p, nil
}

func drawVictims(of []record.Series) (*plot.Plot, error) {
	p := chart.New("victims per CPU", "deaths per second")
	for i, way := range []string{"polite", "rough", "stopped"} {
		if err := rates(p, way, i, with(of, way), func(s record.Series) float64 {
			n, _ := strconv.ParseFloat(labelSuffix(s), 64)
			return n + float64(i)/10 - 0.05
		}); err != nil {
			return nil, err
		}
	}
	p.Y.Min = 0
	return p, nil
}

func drawSurvival(samples map[string]trial.Sample) (*plot.Plot, error) {
	var all []chart.Lives
	for _, name := range slices.Sorted(maps.Keys(samples)) {
		all = append(all, chart.Lives{Name: name, Sample: samples[name]})
	}
	return chart.Survival(all)
}
