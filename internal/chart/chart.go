// Package chart draws the curves of reports and of the study: survival over time,
// and hazard rates with their intervals.
package chart

import (
	"bytes"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"splitadd/internal/trial"
)

// Colours has colours that most people can tell apart on white (Okabe and Ito's, with
// black for yellow).
var Colours = [MaxCurves]color.Color{
	color.RGBA{0, 114, 178, 255}, color.RGBA{213, 94, 0, 255}, color.RGBA{0, 158, 115, 255}, color.RGBA{204, 121, 167, 255},
	color.RGBA{86, 180, 233, 255}, color.RGBA{230, 159, 0, 255}, color.RGBA{0, 0, 0, 255}, color.RGBA{128, 128, 128, 255},
}

// MaxCurves is the largest number of curves in one chart. More could not be told apart.
const MaxCurves = 8

// New returns an empty chart whose axes have names.
func New(x, y string) *plot.Plot {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = x, y
	p.Legend.Top = true
	return p
}

// Curve adds a curve in the colour of number n, with an entry in the legend.
func Curve(p *plot.Plot, name string, n int, points plotter.XYs, step plotter.StepKind) error {
	curve, err := plotter.NewLine(points)
	if err != nil {
		return err
	}
	curve.StepStyle, curve.Color, curve.Width = step, Colours[n], vg.Points(1.5)
	p.Add(curve)
	p.Legend.Add(name, curve)
	return nil
}

// Lives are a sample and its name.
type Lives struct {
	Name string
	trial.Sample
}

// Survival draws the share of each sample that is alive (Kaplan and Meier's
// estimate) over the seconds. A curve ends when the last run ended. Samples beyond
// MaxCurves are left out.
func Survival(samples []Lives) (*plot.Plot, error) {
	p := New("seconds", "share alive")
	for i, s := range samples[:min(len(samples), MaxCurves)] {
		points := plotter.XYs{{X: 0, Y: 1}}
		for _, step := range s.Survival() {
			points = append(points, plotter.XY{X: step.Seconds, Y: step.Alive})
		}
		longest := 0.0
		for _, l := range s.Sample {
			longest = max(longest, l.Seconds)
		}
		if end := points[len(points)-1]; longest > end.X && !math.IsInf(longest, 0) { // cut off alive
			points = append(points, plotter.XY{X: longest, Y: end.Y})
		}
		if err := Curve(p, s.Name, i, points, plotter.PostStep); err != nil {
			return nil, err
		}
	}
	p.Y.Min, p.Y.Max, p.X.Min = 0, 1, 0
	return p, nil
}

// SVG returns a chart as an SVG file.
func SVG(p *plot.Plot) ([]byte, error) {
	to, err := p.WriterTo(16*vg.Centimeter, 10*vg.Centimeter, "svg")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = to.WriteTo(&b)
	return b.Bytes(), err
}
