package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"go/version"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"splitadd/internal/chart"
	"splitadd/internal/record"
	"splitadd/internal/trial"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

//go:embed page.html
var pageText string

// HTMLTitle is the title of a page of HTML.
const HTMLTitle = "splitadd: windows in Go for arm64"

var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{"proof": proofText}).Parse(pageText))
})

// A Page is a report of records for people. It can be written as one self-contained file
// of HTML, as Markdown, or as text.
type Page struct {
	Engines  []string
	Verdicts []record.Verdict
	Maps     []heatMap
	Curves   template.HTML // an SVG, or ""
	Series   []seriesRow
	Windows  []windowRow
}

type seriesRow struct {
	record.Series
	Kind, MedianText, RateText string
}

type windowRow struct {
	record.Window
	Kind   string
	Name   string // without its package
	Before string // of the disassembly, the lines before the window's
	At     string
	After  string
	Runs   []record.Run
}

// A heatMap is a table of releases by frame size, for one kind of window.
type heatMap struct {
	Kind          string
	Frames        []int
	Rows          []heatRow
	Width, Height int
}

type heatRow struct {
	Go    string
	Y     int
	Cells []heatCell
}

type heatCell struct {
	X     int
	Class string // "died", "window", "clean", "none"
	Title string
}

// Cells of a heat map, in SVG units.
const (
	cellWidth, cellHeight = 44, 26
	labelWidth            = 92
	labelHeight           = 70
)

// NewPage makes a page of records.
func NewPage(all *record.Collection) *Page {
	p := &Page{Verdicts: slices.Clone(all.Verdicts)}
	slices.SortStableFunc(p.Verdicts, func(a, b record.Verdict) int { return version.Compare(a.Go, b.Go) })
	p.Verdicts = slices.CompactFunc(p.Verdicts, func(a, b record.Verdict) bool { // of two engines, say
		return a.Go == b.Go && a.Proved == b.Proved && slices.Equal(a.Affected, b.Affected) && slices.Equal(a.Doubts, b.Doubts)
	})
	engines := map[string]bool{}
	for _, r := range all.Runs {
		engines[r.Engine] = true
	}
	for _, s := range all.Series {
		engines[s.Engine] = true
	}
	p.Engines = slices.Sorted(maps.Keys(engines))
	for _, kind := range window.KindNames() {
		if m, ok := p.heatMap(kind, all); ok {
			p.Maps = append(p.Maps, m)
		}
	}
	for _, s := range all.Series {
		p.Series = append(p.Series, seriesRow{s, window.KindName(s.Class, s.Leaf), Median(s.Sample()), Rate(s.Sample())})
	}
	p.windows(all)
	return p
}

// heatMap makes the map of a kind. It returns false if no release has the kind.
func (p *Page) heatMap(kind string, all *record.Collection) (m heatMap, ok bool) {
	m.Kind = kind
	for _, c := range victim.Cases() {
		if !slices.Contains(m.Frames, c.Frame) {
			m.Frames = append(m.Frames, c.Frame)
		}
	}
	slices.Sort(m.Frames)
	for _, v := range p.Verdicts {
		row := heatRow{Go: v.Go, Y: labelHeight + cellHeight*len(m.Rows)}
		for i, frame := range m.Frames {
			cell := heatCell{labelWidth + cellWidth*i, "clean", fmt.Sprintf("%s, %s, %d bytes: no window", v.Go, kind, frame)}
			for _, w := range all.Windows {
				if w.Go != v.Go || w.Frame != int64(frame) || w.WindowKind() != kind || !w.Preemptible {
					continue
				}
				if ok = true; cell.Class == "clean" {
					cell.Class, cell.Title = "window", fmt.Sprintf("%s, %s, %d bytes: a window", v.Go, kind, frame)
				}
				for _, r := range pinned(w, all) {
					if r.Outcome == trial.Died {
						cell.Class, cell.Title = "died", fmt.Sprintf("%s, %s, %d bytes: died, pinned at %s", v.Go, kind, frame, r.Offset)
					}
				}
			}
			row.Cells = append(row.Cells, cell)
		}
		m.Rows = append(m.Rows, row)
	}
	m.Width, m.Height = labelWidth+cellWidth*len(m.Frames)+40, labelHeight+cellHeight*len(m.Rows)+8
	return m, ok
}

// pinned returns the runs that were pinned in a window.
func pinned(w record.Window, all *record.Collection) (runs []record.Run) {
	for _, r := range all.Runs {
		if r.Go == w.Go && r.Pinned && r.Kind == "run" && r.PC == w.PC {
			runs = append(runs, r)
		}
	}
	return runs
}

// FrameX returns the position of the label of column i.
func (m heatMap) FrameX(i int) int { return labelWidth + cellWidth*i + cellWidth/2 }

// windows adds the windows, each with the runs that were pinned in it.
func (p *Page) windows(all *record.Collection) {
	seen := map[[3]string]bool{}
	for _, w := range all.Windows {
		key := [3]string{w.Go, string(w.Class), w.PC}
		if seen[key] {
			continue
		}
		seen[key] = true
		row := windowRow{Window: w, Kind: w.WindowKind(), Name: w.Func[strings.LastIndexByte(w.Func, '/')+1:]}
		at := false
		for _, line := range strings.SplitAfter(w.Disassembly, "\n") {
			switch {
			case strings.Contains(line, "   <- "):
				row.At, at = line, true
			case at:
				row.After += line
			default:
				row.Before += line
			}
		}
		row.Runs = pinned(w, all)
		p.Windows = append(p.Windows, row)
	}
	slices.SortStableFunc(p.Windows, func(a, b windowRow) int { return version.Compare(a.Go, b.Go) })
}

// curves draws the survival curves of the series.
func (p *Page) curves() (template.HTML, error) {
	var all []chart.Lives
	for _, s := range p.Series {
		all = append(all, chart.Lives{Name: s.Go + " " + s.Kind, Sample: s.Sample()})
	}
	curves, err := chart.Survival(all)
	if err != nil {
		return "", err
	}
	svg, err := chart.SVG(curves)
	if err != nil {
		return "", err
	}
	// The plot library escapes what it draws; the XML declaration is not for HTML.
	return template.HTML(svg[max(0, bytes.Index(svg, []byte("<svg"))):]), nil //nolint:gosec
}

// HTML writes the page as one file.
func (p *Page) HTML(to io.Writer) (err error) {
	if len(p.Series) > 0 {
		if p.Curves, err = p.curves(); err != nil {
			return err
		}
	}
	return pageTemplate().Execute(to, p)
}
