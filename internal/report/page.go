package report

import (
	"bytes"
	_ "embed"
	"go/version"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"splitadd/internal/chart"
	"splitadd/internal/record"
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
	Kinds    kindGrid
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
	p.Kinds = p.kindGrid(all)
	for _, k := range window.Kinds {
		if m, ok := p.heatMap(k, all); ok {
			p.Maps = append(p.Maps, m)
		}
	}
	for _, s := range all.Series {
		p.Series = append(p.Series, seriesRow{s, window.KindName(s.Class, s.Leaf), Median(s.Sample()), Rate(s.Sample())})
	}
	p.windows(all)
	return p
}

// pinned returns the runs that were pinned in a window. A window of a scanned binary has
// none, even if a guest has one at the same address.
func pinned(w record.Window, all *record.Collection) (runs []record.Run) {
	for _, r := range all.Runs {
		if w.Binary == "" && r.Go == w.Go && r.Pinned && r.Kind == "run" && r.PC == w.PC {
			runs = append(runs, r)
		}
	}
	return runs
}

// windows adds the windows, each with the runs that were pinned in it.
func (p *Page) windows(all *record.Collection) {
	type place struct {
		release, class, pc, binary string
		in                         record.Place
	}
	seen := map[place]bool{}
	for _, w := range all.Windows {
		key := place{w.Go, string(w.Class), w.PC, w.Binary, w.Place}
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
