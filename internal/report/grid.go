package report

import (
	"fmt"
	"slices"

	"splitadd/internal/record"
	"splitadd/internal/trial"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// A cell of a table of a page.
type cell struct {
	Class string // "died", "window" or "none", for its colour
	Text  string // a sign
	Title string // what it means, in full
}

// The signs of the cells.
const (
	diedSign     = "\u2715"
	affectedSign = "\u25cb"
	noneSign     = "\u00b7"
)

// A kindGrid is a table of kinds by release, with the kinds that any release has.
type kindGrid struct {
	Kinds    []window.Kind
	Releases []string
	Rows     []gridRow // one for each of Kinds
}

// A gridRow is a row of a table: of a kind, or of a frame size.
type gridRow struct {
	Name  string
	Cells []cell
}

// kindGrid makes the table of the kinds that were found: by the windows, and by the
// verdicts, which may come without them.
func (p *Page) kindGrid(all *record.Collection) (g kindGrid) {
	g.Releases = p.releases()
	for _, k := range window.Kinds {
		row, has := gridRow{Name: k.Name}, false
		for _, release := range g.Releases {
			what := release + ": " + k.Name + ": "
			windows, _, died := windowsOf(all, func(w record.Window) bool { return w.Go == release && w.WindowKind() == k.Name })
			affected := slices.ContainsFunc(p.Verdicts, func(v record.Verdict) bool { return v.Go == release && slices.Contains(v.Affected, k.Name) })
			c := cell{"none", noneSign, what + "none found"}
			switch {
			case died:
				c = cell{"died", diedSign, what + "a victim that was pinned or held there was harmed"}
			case affected:
				c = cell{"window", affectedSign, what + "affected"}
			case windows:
				c = cell{"window", affectedSign, what + "a window, nothing died in it"}
			}
			has = has || c.Class != "none"
			row.Cells = append(row.Cells, c)
		}
		if has {
			g.Kinds, g.Rows = append(g.Kinds, k), append(g.Rows, row)
		}
	}
	return g
}

// windowsOf reports whether there are windows that match and in which the runtime preempts,
// and whether a run that was pinned in one of them died. It returns the offset of the last
// such window.
func windowsOf(all *record.Collection, match func(record.Window) bool) (found bool, offset string, died bool) {
	for _, w := range all.Windows {
		if !w.Preemptible || !match(w) {
			continue
		}
		found = true
		for _, r := range pinned(w, all) {
			if r.Outcome == trial.Died {
				offset, died = r.Offset, true
			}
		}
	}
	return found, offset, died
}

// releases returns the releases of the verdicts, in the order of the verdicts.
func (p *Page) releases() (releases []string) {
	for _, v := range p.Verdicts {
		if !slices.Contains(releases, v.Go) {
			releases = append(releases, v.Go)
		}
	}
	return releases
}

// A heatMap is a table of frame sizes by release, for one kind of window.
type heatMap struct {
	Kind     string
	Releases []string
	Rows     []gridRow
}

// heatMap makes the map of a kind. It returns false if the kind does not depend on the
// frame size, or if no release has a window of the kind.
func (p *Page) heatMap(k window.Kind, all *record.Collection) (m heatMap, ok bool) {
	if k.Class != window.SP && k.Class != window.FP {
		return m, false
	}
	m.Kind, m.Releases = k.Name, p.releases()
	var frames []int
	for _, c := range victim.Cases() {
		if !slices.Contains(frames, c.Frame) {
			frames = append(frames, c.Frame)
		}
	}
	slices.Sort(frames)
	for _, frame := range frames {
		row := gridRow{Name: fmt.Sprint(frame)}
		for _, release := range m.Releases {
			what := fmt.Sprintf("%s, %s, %d bytes: ", release, k.Name, frame)
			windows, offset, died := windowsOf(all, func(w record.Window) bool {
				return w.Go == release && w.Frame == int64(frame) && w.WindowKind() == k.Name
			})
			ok = ok || windows
			c := cell{"none", noneSign, what + "no window"}
			switch {
			case died:
				c = cell{"died", diedSign, what + "died, pinned at " + offset}
			case windows:
				c = cell{"window", affectedSign, what + "a window"}
			}
			row.Cells = append(row.Cells, c)
		}
		m.Rows = append(m.Rows, row)
	}
	return m, ok
}
