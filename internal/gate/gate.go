// Package gate decides which of the windows that a scan found count: those of the kinds
// that were asked for, and without those that a baseline accepts. It also says whether the
// windows that count fail the scan.
package gate

import (
	"fmt"
	"slices"
	"strings"

	"splitadd/internal/survey"
	"splitadd/internal/window"
)

// A FailOn says which windows fail a scan.
type FailOn string

// The values of FailOn. A window is certain if the code alone shows that it does harm,
// and possible if that depends on what the code does not show (see window.Window).
const (
	Certain  FailOn = "certain"  // certain windows
	Possible FailOn = "possible" // certain and possible windows
	Never    FailOn = "never"    // no window
)

// ParseFailOn returns the value with a name.
func ParseFailOn(name string) (FailOn, error) {
	all := []FailOn{Certain, Possible, Never}
	if !slices.Contains(all, FailOn(name)) {
		return "", fmt.Errorf("-fail-on %q: want %s, %s or %s", name, Certain, Possible, Never)
	}
	return FailOn(name), nil
}

// ParseKinds returns the kinds in a list with commas, in the order of window.Kinds. An
// empty list means all kinds, and returns nil.
func ParseKinds(list string) (kinds []string, err error) {
	if list == "" {
		return nil, nil
	}
	named := strings.Split(list, ",")
	for i, name := range named {
		named[i] = strings.TrimSpace(name)
		if _, ok := window.KindNamed(named[i]); !ok {
			return nil, fmt.Errorf("-kind %q: want one of %s, or several with commas between them", named[i], strings.Join(window.KindNames(), ", "))
		}
	}
	for _, name := range window.KindNames() {
		if slices.Contains(named, name) {
			kinds = append(kinds, name)
		}
	}
	return kinds, nil
}

// A Gate selects the windows of a scan that count. Its zero value lets all windows count
// and never fails.
type Gate struct {
	Kinds    []string // that count; nil means all
	FailOn   FailOn
	Baseline *Baseline // the windows that do not count, or nil
	// Found, if it is not nil, is given an entry for each window in which the runtime
	// preempts and that Baseline does not accept.
	Found *Baseline

	certain, possible int // windows that count and in which the runtime preempts
}

// Apply removes the windows that do not count from a binary, and counts the others. It
// says in the binary how many the baseline accepts. It leaves the slices as they are, because several images may share them.
func (g *Gate) Apply(b *survey.Binary) {
	var functions []survey.Function
	for _, f := range b.Functions {
		var windows []survey.Window
		for _, w := range f.Windows {
			switch {
			case !g.wants(w.Kind()):
			case w.Preemptible && g.accepts(EntryFor(b, f, w)):
				b.Accepted++
			default:
				windows = append(windows, w)
				g.count(w)
			}
		}
		if f.Windows = windows; len(windows) > 0 {
			functions = append(functions, f)
		}
	}
	b.Functions = functions
}

func (g *Gate) wants(kind string) bool { return g.Kinds == nil || slices.Contains(g.Kinds, kind) }

// accepts reports whether the baseline accepts what an entry describes. If not, the entry is
// one of those found.
func (g *Gate) accepts(e Entry) bool {
	if g.Baseline != nil && g.Baseline.accepts(e) {
		return true
	}
	if g.Found != nil {
		g.Found.add(e)
	}
	return false
}

func (g *Gate) count(w survey.Window) {
	switch {
	case !w.Preemptible:
	case w.Possible:
		g.possible++
	default:
		g.certain++
	}
}

// Fails reports whether the windows that were counted fail the scan.
func (g *Gate) Fails() bool {
	switch g.FailOn {
	case Certain:
		return g.certain > 0
	case Possible:
		return g.certain+g.possible > 0
	}
	return false
}

// Passed returns how many windows were counted although they do not fail the scan.
func (g *Gate) Passed() int {
	if g.Fails() {
		return 0
	}
	return g.certain + g.possible
}

// Stale returns the entries of the baseline that accepted no window, although windows of
// their kind count.
func (g *Gate) Stale() []Entry {
	if g.Baseline == nil {
		return nil
	}
	return g.Baseline.sorted(func(e Entry) bool { return g.wants(e.Kind) && !g.Baseline.used[e.id()] })
}

// Renewed returns the baseline that accepts what was found. It has the reasons of an older
// baseline, and that one's entries for kinds that were not asked for.
func (g *Gate) Renewed(old *Baseline) *Baseline {
	renewed := NewBaseline()
	for _, e := range g.Found.entries {
		e.Reason = old.entries[e.id()].Reason
		renewed.add(e)
	}
	for _, e := range old.entries {
		if !g.wants(e.Kind) {
			renewed.add(e)
		}
	}
	return renewed
}
