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
	Kinds  []string // that count; nil means all
	FailOn FailOn

	certain, possible int // windows that count and in which the runtime preempts
}

// Apply removes the windows that do not count from a binary, and counts the others. It
// leaves the slices as they are, because several images may share them.
func (g *Gate) Apply(b *survey.Binary) {
	var functions []survey.Function
	for _, f := range b.Functions {
		var windows []survey.Window
		for _, w := range f.Windows {
			if g.wants(w.Kind()) {
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
