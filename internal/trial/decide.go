package trial

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"splitadd/internal/window"
)

// A Verdict is the verdict on a toolchain, by its guest.
type Verdict struct {
	// Affected are the kinds of window in which a guest died. If nothing could be
	// run, they are the kinds of the windows that were found.
	Affected []string
	// Proved is false if nothing could be run.
	Proved bool
	// Doubts say which windows and crashes do not agree, or what could not be
	// measured. A doubt means no verdict.
	Doubts []string
	// Tested says what was run for the verdict.
	Tested Tested
}

// Tested counts the runs of a verdict.
type Tested struct {
	Windows  int     // that were pinned
	Controls int     // pins that must not kill the guest
	Stress   int     // stress runs for kinds of which no window was found
	Seconds  float64 // exposure of those
}

// Static is the verdict from the windows alone.
func (g *Guest) Static() Verdict {
	var v Verdict
	for _, w := range g.WindowsToPin() {
		v.addAffected(w.Kind())
	}
	for _, k := range window.Kinds {
		if _, elsewhere := g.windowNotRun(k.Name); elsewhere || k.ProvedByHold && len(g.WindowsToHold(k)) > 0 {
			v.addAffected(k.Name)
		}
	}
	return v
}

func (v *Verdict) addAffected(kind string) {
	if !slices.Contains(v.Affected, kind) {
		v.Affected = append(v.Affected, kind)
		slices.SortFunc(v.Affected, func(a, b string) int {
			return slices.Index(window.KindNames(), a) - slices.Index(window.KindNames(), b)
		})
	}
}

func (v *Verdict) addDoubt(format string, args ...any) {
	v.Doubts = append(v.Doubts, fmt.Sprintf(format, args...))
}

// A Step says what Decide does next. It is for showing the progress.
type Step struct {
	Done, Total int
	What        string
}

// Decide pins the victims in the windows of WindowsToPin, and one control at a place
// without a window. It makes a stress run of one victim of each kind that has windows, for at
// most the limit, and none if that is 0. If a kind that the assembler's rule makes has no
// window, it pins the place and leaves an unmodified guest to run: see testNotFound. For
// kinds that do harm only after the goroutine has gone on, it holds the goroutine in the
// window: see proveByHolding. It reports every run as the run ends. A harness failure is
// an error, because a verdict needs every measurement.
func (g *Guest) Decide(ctx context.Context, limit time.Duration, step func(Step), report func(Run)) (Verdict, error) {
	d := decision{Guest: g, step: step, report: report, v: Verdict{Proved: true}}
	windows := g.WindowsToPin()
	stressed := maps.Collect(g.StressWindows())
	missing := slices.DeleteFunc(expectedSplits(), func(s expectedSplit) bool { _, found := stressed[s.kind()]; return found })
	if limit == 0 {
		clear(stressed)
	}
	d.total = 1 + len(windows) + len(stressed) + len(missing)
	for _, k := range window.Kinds {
		if k.ProvedByHold {
			d.total += g.holdSteps(k, limit)
		}
	}
	if err := d.control(ctx); err != nil {
		return d.v, err
	}
	for _, w := range windows {
		if err := d.pin(ctx, w); err != nil {
			return d.v, err
		}
	}
	for _, s := range missing {
		d.beginStep("look for a %s window in %s", s.kind(), s.victim.Func)
		if err := g.testNotFound(ctx, s, limit, &d.v, report); err != nil {
			return d.v, err
		}
	}
	for _, kind := range window.KindNames() {
		if w, ok := stressed[kind]; ok {
			if err := d.stress(ctx, kind, w, limit); err != nil {
				return d.v, err
			}
		}
	}
	for _, k := range window.Kinds {
		if k.ProvedByHold {
			if err := d.proveByHolding(ctx, k, limit); err != nil {
				return d.v, err
			}
			continue
		}
		d.unpinned(k.Name, windows)
	}
	return d.v, nil
}

// unpinned adds a doubt if there are windows of a kind, but none of them was pinned.
func (d *decision) unpinned(kind string, pinned []window.Window) {
	if slices.ContainsFunc(pinned, func(w window.Window) bool { return w.Kind() == kind }) {
		return
	}
	if w, ok := d.windowNotRun(kind); ok {
		d.v.addDoubt("%s has a %s window at +%#x, and no victim that is pinned has one: it was not run", w.Func, kind, w.Offset())
	}
}

// A decision is the state of Decide.
type decision struct {
	*Guest
	step        func(Step)
	report      func(Run)
	done, total int
	v           Verdict
}

// beginStep reports the next step.
func (d *decision) beginStep(format string, args ...any) {
	d.step(Step{d.done, d.total, fmt.Sprintf(format, args...)})
	d.done++
}

// control pins a victim where there is no window.
func (d *decision) control(ctx context.Context) error {
	d.beginStep("control")
	r, err := d.PinReturn(ctx, "leaf4096", "gc")
	if err != nil {
		return err
	}
	d.report(r)
	if err := r.failure(); err != nil {
		return err
	}
	d.v.Tested.Controls++
	if r.Outcome != Survived && !d.mayCrashAnyhow() {
		d.v.addDoubt("the control, pinned where there is no window, did not survive: %v", r)
	}
	return nil
}

// pin pins a victim in a window. The victim must die of it.
func (d *decision) pin(ctx context.Context, w window.Window) error {
	name := d.Case(w).Func
	d.beginStep("pin %s+%#x (%s)", name, w.Offset(), w.Class)
	r, err := RerunUnattributed(func() (Run, error) { return d.Pin(ctx, name, w, Observer(w.Class)) }, d.report)
	if err := errors.Join(err, r.failure()); err != nil {
		return err
	}
	d.v.Tested.Windows++
	switch {
	case r.Confirmed():
		d.v.addAffected(r.Kind())
	case r.Outcome == Died && d.mayCrashAnyhow():
	default:
		d.v.addDoubt("pinned in the %v: %v", w, r)
	}
	return nil
}

// stress makes a stress run of the victim of a window. The victim may survive.
func (d *decision) stress(ctx context.Context, kind string, w window.Window, limit time.Duration) error {
	name := d.Case(w).Func
	d.beginStep("stress %s (%s)", name, w.Class)
	r, err := RerunUnattributed(func() (Run, error) { return d.Stress(ctx, name, w.Class, Observer(w.Class), DefaultStress, limit) }, d.report)
	if err := errors.Join(err, r.failure()); err != nil {
		return err
	}
	if r.Outcome != Survived && !r.Confirmed() && !d.mayCrashAnyhow() {
		d.v.addDoubt("stress run, %s: %v", kind, r)
	}
	return nil
}
