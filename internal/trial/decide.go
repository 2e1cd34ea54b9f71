package trial

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// A Verdict is what a toolchain's guest showed.
type Verdict struct {
	// Affected are the kinds of which a guest died in a window, or, where
	// nothing could be run, of which windows were found.
	Affected []string
	// Proved is false where nothing could be run.
	Proved bool
	// Doubts say where what was found and what was seen do not agree, or what
	// could not be measured. With a doubt there is no verdict.
	Doubts []string
}

// Static is the verdict from the windows alone.
func (g *Guest) Static() Verdict {
	var v Verdict
	for _, c := range victim.Cases() {
		for _, w := range g.Preemptible(c.Func) {
			v.affect(w.Kind())
		}
	}
	return v
}

func (v *Verdict) affect(kind string) {
	if !slices.Contains(v.Affected, kind) {
		v.Affected = append(v.Affected, kind)
		slices.SortFunc(v.Affected, func(a, b string) int {
			return slices.Index(window.KindNames(), a) - slices.Index(window.KindNames(), b)
		})
	}
}

func (v *Verdict) doubt(format string, args ...any) {
	v.Doubts = append(v.Doubts, fmt.Sprintf(format, args...))
}

// A Step is something that Decide does next, for those who watch.
type Step struct {
	Done, Total int
	What        string
}

// Decide pins every preemptible window of every victim, pins one control that
// is no window, and races one victim of each kind that has windows, each for at
// most the limit, and not at all where that is 0. Every run is reported as it ends. A harness failure is an
// error: what was not measured makes no verdict.
func (g *Guest) Decide(ctx context.Context, limit time.Duration, step func(Step), report func(Run)) (Verdict, error) {
	v := Verdict{Proved: true}
	var windows []window.Window
	for _, c := range victim.Cases() {
		windows = append(windows, g.Preemptible(c.Func)...)
	}
	telling := maps.Collect(g.Telling())
	if limit == 0 {
		clear(telling)
	}
	total, done := 1+len(windows)+len(telling), 0
	begin := func(format string, args ...any) {
		step(Step{done, total, fmt.Sprintf(format, args...)})
		done++
	}

	begin("control")
	control, err := g.PinReturn(ctx, "leaf4096", "gc")
	if err != nil {
		return v, err
	}
	report(control)
	if err := control.failure(); err != nil {
		return v, err
	}
	if control.Outcome != Survived {
		v.doubt("the control, pinned where there is no window, did not survive: %v", control)
	}
	for _, w := range windows {
		begin("pin %s+%#x (%s)", g.Case(w).Func, w.Offset(), w.Class)
		r, err := Told(func() (Run, error) { return g.Pin(ctx, g.Case(w).Func, w, Observer(w.Class)) }, report)
		if err := errors.Join(err, r.failure()); err != nil {
			return v, err
		}
		if r.Confirmed() {
			v.affect(r.Kind())
		} else {
			v.doubt("pinned in the %v: %v", w, r)
		}
	}
	for _, kind := range window.KindNames() {
		w, ok := telling[kind]
		if !ok {
			continue
		}
		begin("race %s (%s)", g.Case(w).Func, w.Class)
		r, err := Told(func() (Run, error) { return g.Race(ctx, g.Case(w).Func, w.Class, Observer(w.Class), Fast, limit) }, report)
		if err := errors.Join(err, r.failure()); err != nil {
			return v, err
		}
		if r.Outcome != Survived && !r.Confirmed() {
			v.doubt("raced, %s: %v", kind, r)
		}
	}
	return v, nil
}
