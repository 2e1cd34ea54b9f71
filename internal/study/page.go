package study

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"

	"splitadd/internal/chart"
	"splitadd/internal/output"
	"splitadd/internal/record"
	"splitadd/internal/report"
)

// A page is the page of a study while it is written, with its figures.
type page struct {
	bytes.Buffer
	dir    string
	series []record.Series
}

// Write writes reachability.md and its figures into a folder. The page has the
// experiments that are among the series, in the order of the plan.
func Write(dir string, series []record.Series) error {
	p := page{dir: dir, series: series}
	fmt.Fprintf(&p, "%s", head)
	for _, section := range []struct {
		name  string
		write func(*page, []record.Series) error
	}{
		{"pair", (*page).pair}, {"body", (*page).body}, {"victims", (*page).victims},
		{"observer", (*page).observer}, {"frame", (*page).frame}, {"watched", (*page).watched},
	} {
		if of := p.seriesOf(section.name); len(of) > 0 {
			if err := section.write(&p, of); err != nil {
				return fmt.Errorf("%s: %w", section.name, err)
			}
		}
	}
	return output.Write(filepath.Join(dir, "reachability.md"), p.Bytes())
}

const head = `# What the time to crash depends on

One command makes every figure on this page from the records in reachability.jsonl:

    go run ./cmd/reachability -o docs         # measures, most of an hour, and writes this page
    go run ./cmd/reachability -o docs -draw   # writes it again from the records

Rates are deaths per second of exposure, with exact Poisson intervals of 95 %. A run
that reaches its limit is ended: its time counts as exposure, without a death. None of
the rates is the rate of a real core, so compare them only with others of the same
engine. Compare them only within a table, because the machine had other work at times.
`

// seriesOf returns the series of an experiment.
func (p *page) seriesOf(name string) (of []record.Series) {
	for _, s := range p.series {
		if strings.HasPrefix(s.Label, name+"/") {
			of = append(of, s)
		}
	}
	return of
}

// labelSuffix returns the part of a label after its last slash.
func labelSuffix(s record.Series) string { return s.Label[strings.LastIndexByte(s.Label, '/')+1:] }

func (p *page) say(format string, args ...any) { fmt.Fprintf(p, "\n"+format+"\n", args...) }

// section begins a section, and names the engine of its runs.
func (p *page) section(title string, of []record.Series) {
	p.say("## %s", title)
	seen := map[string]bool{}
	for _, s := range of {
		if !seen[s.Engine] {
			p.say("%s.", s.Engine)
		}
		seen[s.Engine] = true
	}
}

// table writes rows of series. The function name returns the name of a row.
func (p *page) table(column string, of []record.Series, name func(record.Series) string) {
	p.say("| %s | runs | died | exposed | median | deaths per second |\n| --- | --- | --- | --- | --- | --- |", column)
	p.Truncate(p.Len() - 1)
	for _, s := range of {
		l := s.Sample()
		fmt.Fprintf(p, "\n| %s | %d | %d | %.1f s | %s | %s |", name(s), s.Runs, s.Deaths, s.Exposed, report.Median(l), report.Rate(l))
	}
	p.WriteByte('\n')
}

// figure draws a figure and shows it.
func (p *page) figure(name, title string, draw func() (*plot.Plot, error)) error {
	drawn, err := draw()
	if err != nil {
		return err
	}
	svg, err := chart.SVG(drawn)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(p.dir, "reachability"), 0o755); err != nil {
		return err
	}
	p.say("![%s](reachability/%s.svg)", title, name)
	return output.Write(filepath.Join(p.dir, "reachability", name+".svg"), svg)
}
