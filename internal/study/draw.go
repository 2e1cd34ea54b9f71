package study

import (
	"image/color"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"splitadd/internal/record"
	"splitadd/internal/trial"
)

// Colours that can be told apart by most people, on white.
var colours = []color.Color{color.RGBA{0, 90, 181, 255}, color.RGBA{220, 50, 32, 255}, color.RGBA{0, 130, 90, 255}}

const width, height = 16 * vg.Centimeter, 10 * vg.Centimeter

// measuredRates are hazard rates with their intervals. One without a death is
// drawn as its upper bound, with a shape of its own.
type measuredRates struct {
	plotter.XYs
	plotter.YErrors
}

// rates adds the rates of series to a plot; x says where.
func rates(p *plot.Plot, name string, n int, of []record.Series, x func(record.Series) float64) error {
	var died, none measuredRates
	for _, s := range of {
		if s.Deaths == 0 {
			none.XYs = append(none.XYs, plotter.XY{X: x(s), Y: s.Rate.High})
			continue
		}
		died.XYs = append(died.XYs, plotter.XY{X: x(s), Y: s.Rate.Estimate})
		died.YErrors = append(died.YErrors, struct{ Low, High float64 }{s.Rate.Estimate - s.Rate.Low, s.Rate.High - s.Rate.Estimate})
	}
	if len(died.XYs) > 0 {
		points, err := plotter.NewScatter(died.XYs)
		if err != nil {
			return err
		}
		bars, err := plotter.NewYErrorBars(died)
		if err != nil {
			return err
		}
		points.Color, points.Shape, bars.Color = colours[n], draw.CircleGlyph{}, colours[n]
		p.Add(points, bars)
		p.Legend.Add(name, points)
	}
	if len(none.XYs) > 0 {
		points, err := plotter.NewScatter(none.XYs)
		if err != nil {
			return err
		}
		points.Color, points.Shape = colours[n], draw.TriangleGlyph{}
		p.Add(points)
		p.Legend.Add(name+": no death, upper bound", points)
	}
	return nil
}

// with returns the series whose label has a part.
func with(of []record.Series, part string) (some []record.Series) {
	for _, s := range of {
		if strings.Contains(s.Label, "/"+part+"/") {
			some = append(some, s)
		}
	}
	return some
}

func drawBody(path string, of []record.Series, m Model) error {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = "instructions a call", "deaths a second"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
	p.Legend.Top = true
	low, high := math.Inf(1), 0.0
	for i, way := range []string{"lone", "crowd"} {
		some := with(of, way)
		if err := rates(p, way, i, some, func(s record.Series) float64 { return Instructions(s.Racing.Body) }); err != nil {
			return err
		}
		var line plotter.XYs
		for x := Instructions(0); x < 2*Instructions(Bodies[len(Bodies)-1]); x *= 1.1 {
			if y := m.Rate(x, way == "crowd"); y > 1e-4 {
				line = append(line, plotter.XY{X: x, Y: y})
			}
		}
		curve, err := plotter.NewLine(line)
		if err != nil {
			return err
		}
		curve.Color = colours[i]
		p.Add(curve)
		p.Legend.Add(way+", model", curve)
		for _, s := range some {
			low, high = min(low, s.Rate.High), max(high, s.Rate.High)
		}
	}
	p.Y.Min, p.Y.Max = low/20, high*2
	return p.Save(width, height, path)
}

func drawVictims(path string, of []record.Series) error {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = "victims a CPU", "deaths a second"
	p.Legend.Top = true
	for i, way := range []string{"polite", "rough", "stopped"} {
		if err := rates(p, way, i, with(of, way), func(s record.Series) float64 {
			n, _ := strconv.ParseFloat(last(s), 64)
			return n + float64(i)/10 - 0.05
		}); err != nil {
			return err
		}
	}
	p.Y.Min = 0
	return p.Save(width, height, path)
}

func drawSurvival(path string, samples map[string]trial.Sample) error {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = "seconds", "share alive"
	p.Legend.Top = true
	for i, name := range slices.Sorted(maps.Keys(samples)) {
		line := plotter.XYs{{X: 0, Y: 1}}
		for _, step := range samples[name].Survival() {
			line = append(line, plotter.XY{X: step.Seconds, Y: step.Alive})
		}
		curve, err := plotter.NewLine(line)
		if err != nil {
			return err
		}
		curve.StepStyle, curve.Color = plotter.PostStep, colours[i]
		p.Add(curve)
		p.Legend.Add(name, curve)
	}
	p.Y.Min, p.Y.Max, p.X.Min = 0, 1, 0
	return p.Save(width, height, path)
}
