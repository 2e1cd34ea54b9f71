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

A command writes this page. It measures, which takes most of an hour, and keeps the records
in reachability.jsonl. With -draw it only writes the page again from these records:

    go run ./cmd/reachability -o docs
    go run ./cmd/reachability -o docs -draw

[check.md](check.md) defines victim, observer, stress run and exposure. In each table,
"died" is the number of runs in which the guest died in a window, "exposed" is the exposure of
all runs together, and "median" is the median time to crash ("> 6 s" if more than half of the
runs survived). The last column is the hazard rate: deaths per second of exposure, with its exact
95 % Poisson interval. A run that reaches its limit is ended: its time counts as exposure, without
a death.

All runs were under emulators, so no rate is that of a real core. Compare a rate only with others
in the same table, because the machine had other work at times, and only with those of the same
engine.

- The *tiny* victim is a leaf function with a frame of 65,568 bytes and calls of few instructions.
- The *traced* victim is one with 69,632 bytes, under the execution tracer.
- The *canonical* victim has the shape of the 35-line reproducer in golang/go#73259. A call fills
  64 KiB, and there is only one such victim.
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
