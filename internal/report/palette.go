package report

import "image/color"

// plotPalette are colours that most people can tell apart, on white (Okabe and
// Ito's, with black for yellow).
var plotPalette = [maxCurves]color.Color{
	color.RGBA{0, 114, 178, 255}, color.RGBA{213, 94, 0, 255}, color.RGBA{0, 158, 115, 255}, color.RGBA{204, 121, 167, 255},
	color.RGBA{86, 180, 233, 255}, color.RGBA{230, 159, 0, 255}, color.RGBA{0, 0, 0, 255}, color.RGBA{128, 128, 128, 255},
}
