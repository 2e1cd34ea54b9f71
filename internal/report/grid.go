package report

import (
	"fmt"
	"slices"

	"splitadd/internal/record"
	"splitadd/internal/trial"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// A cell of a table of a page. Its zero value says that there is no window.
type cell struct {
	Class string // "died", "window" or "none", for its colour
	Text  string // one word or sign
	Title string // what it means, in full
}

// A kindGrid is a table of releases by kind, with the kinds that any of them has.
type kindGrid struct {
	Kinds []window.Kind
	Rows  []gridRow
}

// A gridRow is a row of a table: of a release, or of a frame size.
type gridRow struct {
	Name  string
	Cells []cell
}

// kindGrid makes the table of the kinds that were found: by the windows, and by the
// verdicts, which may come without them.
func (p *Page) kindGrid(all *record.All) (g kindGrid) {
	state := map[[2]string]cell{} // by release and kind
	for _, v := range p.Verdicts {
		for _, kind := range v.Affected {
			state[[2]string{v.Go, kind}] = cell{"window", "affected", v.Go + ": " + kind + ": affected"}
		}
	}
	for _, w := range all.Windows {
		key := [2]string{w.Go, w.WindowKind()}
		if !w.Preemptible || state[key].Class == "died" {
			continue
		}
		if state[key].Class == "" {
			state[key] = cell{"window", "window", w.Go + ": " + key[1] + ": a window, nothing died in it"}
		}
		for _, r := range pinned(w, all) {
			if r.Outcome == trial.Died {
				state[key] = cell{"died", "proved", w.Go + ": " + key[1] + ": a victim that was pinned or held there was harmed"}
			}
		}
	}
	releases := p.releases()
	for _, k := range window.Kinds {
		if slices.ContainsFunc(releases, func(release string) bool { return state[[2]string{release, k.Name}].Class != "" }) {
			g.Kinds = append(g.Kinds, k)
		}
	}
	for _, release := range releases {
		row := gridRow{Name: release}
		for _, k := range g.Kinds {
			c, ok := state[[2]string{release, k.Name}]
			if !ok {
				c = cell{"none", "none", release + ": " + k.Name + ": none found"}
			}
			row.Cells = append(row.Cells, c)
		}
		g.Rows = append(g.Rows, row)
	}
	return g
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
func (p *Page) heatMap(k window.Kind, all *record.All) (m heatMap, ok bool) {
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
			c := cell{"none", "\u00b7", what + "no window"}
			for _, w := range all.Windows {
				if w.Go != release || w.Frame != int64(frame) || w.WindowKind() != k.Name || !w.Preemptible {
					continue
				}
				if ok = true; c.Class == "none" {
					c = cell{"window", "\u25cb", what + "a window"}
				}
				for _, r := range pinned(w, all) {
					if r.Outcome == trial.Died {
						c = cell{"died", "\u2715", what + "died, pinned at " + r.Offset}
					}
				}
			}
			row.Cells = append(row.Cells, c)
		}
		m.Rows = append(m.Rows, row)
	}
	return m, ok
}
