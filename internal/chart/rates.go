package chart

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"

	"splitadd/internal/trial"
)

// A Point is a hazard rate, in deaths per second, at a place on the other axis.
type Point struct {
	X    float64
	Rate trial.Interval
}

// Rates adds hazard rates with their intervals, in the colour of number n. If there was
// no death, it draws the upper bound of the rate, with another symbol.
func Rates(p *plot.Plot, name string, n int, points []Point) error {
	var died struct {
		plotter.XYs
		plotter.YErrors
	}
	var none plotter.XYs
	for _, at := range points {
		if at.Rate.Estimate == 0 {
			none = append(none, plotter.XY{X: at.X, Y: at.Rate.High})
			continue
		}
		died.XYs = append(died.XYs, plotter.XY{X: at.X, Y: at.Rate.Estimate})
		died.YErrors = append(died.YErrors, struct{ Low, High float64 }{at.Rate.Estimate - at.Rate.Low, at.Rate.High - at.Rate.Estimate})
	}
	if len(died.XYs) > 0 {
		scatter, err := plotter.NewScatter(died.XYs)
		if err != nil {
			return err
		}
		bars, err := plotter.NewYErrorBars(died)
		if err != nil {
			return err
		}
		scatter.Color, scatter.Shape, bars.Color = Colours[n], draw.CircleGlyph{}, Colours[n]
		p.Add(scatter, bars)
		p.Legend.Add(name, scatter)
	}
	if len(none) > 0 {
		scatter, err := plotter.NewScatter(none)
		if err != nil {
			return err
		}
		scatter.Color, scatter.Shape = Colours[n], draw.TriangleGlyph{}
		p.Add(scatter)
		p.Legend.Add(name+": no death, upper bound", scatter)
	}
	return nil
}
