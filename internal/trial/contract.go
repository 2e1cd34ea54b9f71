package trial

import (
	"cmp"
	"context"
	"slices"
	"time"

	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// Bounds on the proofs of a kind of window that does harm only after the goroutine has
// gone on. One victim may have dozens of windows that concern the same value.
const (
	maxHeldVictims = 4
	maxHeld        = 3 // windows of one victim
	oneVictimTime  = 2 * time.Second
)

// WindowsToHold returns the windows of a kind that a verdict rests on: the first, the last
// and one between them, of a few victims. The victims made for the kind's clause come
// first, but a toolchain may break the clause in others.
func (g *Guest) WindowsToHold(k window.Kind) (windows []window.Window) {
	victims := 0
	all := append(victim.Contract(), victim.Cases()...)
	slices.SortStableFunc(all, func(a, b victim.Case) int {
		return cmp.Compare(slices.Index(b.Clauses, k.Clause), slices.Index(a.Clauses, k.Clause))
	})
	for _, c := range all {
		if victims == maxHeldVictims {
			break
		}
		of := slices.DeleteFunc(g.Preemptible(c.Func), func(w window.Window) bool { return w.Kind() != k.Name })
		if len(of) > maxHeld {
			of = []window.Window{of[0], of[len(of)/2], of[len(of)-1]}
		}
		if len(of) > 0 {
			victims++
		}
		windows = append(windows, of...)
	}
	return windows
}

// UntestedHeld returns how many windows of kinds that are proved by holding the victims
// have in addition to those that a verdict rests on.
func (g *Guest) UntestedHeld() (n int) {
	for _, k := range window.Kinds {
		if !k.ProvedByHold {
			continue
		}
		for name := range g.Functions {
			for _, w := range g.Preemptible(name) {
				if w.Kind() == k.Name {
					n++
				}
			}
		}
		n -= len(g.WindowsToHold(k))
	}
	return n
}

// Prove does what Decide does for one kind of window that is proved by holding. It
// reports every run as the run ends.
func (g *Guest) Prove(ctx context.Context, k window.Kind, limit time.Duration, report func(Run)) (Verdict, error) {
	d := &decision{Guest: g, step: func(Step) {}, report: report, v: Verdict{Proved: true}}
	err := d.proveByHolding(ctx, k, limit)
	return d.v, err
}

// holdSteps returns how many steps proveByHolding takes.
func (g *Guest) holdSteps(k window.Kind, limit time.Duration) int {
	held := len(g.WindowsToHold(k))
	switch {
	case !k.NeedsNoHold:
		return max(1, held)
	case held == 0:
		return 1 + len(mayHoldPointer)
	case limit == 0:
		return held
	}
	return held + 1
}

// mayHoldPointer are the victims of the ladder whose pointer most releases put into R30.
var mayHoldPointer = []string{"pointer25", "pointer26"}

// proveByHolding proves the windows of a kind by holding victims in them. If there are no
// windows, it shows by a control that holding a victim of the kind does no harm. It is a
// doubt if a victim is harmed in none of its windows.
func (d *decision) proveByHolding(ctx context.Context, k window.Kind, limit time.Duration) error {
	windows := d.WindowsToHold(k)
	if len(windows) == 0 {
		if w, ok := d.windowNotRun(k.Name); ok {
			d.v.addDoubt("no victim has a %s window that could be proved, but the library has: %v", k.Name, w)
		}
		return d.holdControl(ctx, k)
	}
	harmed := map[string]bool{}
	for _, w := range windows {
		name := d.Case(w).Func
		d.beginStep("hold %s+%#x (%s)", name, w.Offset(), k.Name)
		r, err := d.Hold(ctx, name, w, k.Observer)
		if err != nil {
			return err
		}
		d.report(r)
		if err := r.failure(); err != nil && !r.PinNotReached {
			return err
		}
		d.v.Tested.Windows++
		harmed[name] = harmed[name] || r.Confirmed()
		if r.Confirmed() {
			d.v.addAffected(k.Name)
		}
	}
	for _, w := range windows {
		if name := d.Case(w).Func; !harmed[name] {
			d.v.addDoubt("held in the %v and elsewhere, %s was not harmed", w, name)
			harmed[name] = true // said
		}
	}
	if !k.NeedsNoHold || limit == 0 {
		return nil
	}
	return d.runOneVictim(ctx, k, d.Case(windows[0]).Func, false)
}

// holdControl holds a victim of a kind's clause at its last return, which must not harm
// it. For lost pointers it also leaves the victims in mayHoldPointer to run: they
// lose an object within a second, or not at all.
func (d *decision) holdControl(ctx context.Context, k window.Kind) error {
	for _, c := range victim.Contract() {
		if c.Clauses[len(c.Clauses)-1] != k.Clause {
			continue
		}
		pc, err := d.LastReturn(c.Func)
		if err != nil {
			return err
		}
		if why, err := d.unpreemptible(pc); err != nil || why != "" {
			if err != nil {
				return err
			}
			continue // a store of a pointer right before it may make the return unsafe
		}
		d.beginStep("control, %s", k.Name)
		r, err := d.Hold(ctx, c.Func, d.windowAt(c.Func, k.Class, pc), k.Observer)
		if err != nil {
			return err
		}
		r.Control = true
		d.report(r)
		if err := r.failure(); err != nil {
			return err
		}
		d.v.Tested.Controls++
		if r.Outcome != Survived && !d.mayCrashAnyhow() {
			d.v.addDoubt("%s, held at its return, did not survive: %v", c.Func, r)
		}
		break
	}
	if !k.NeedsNoHold {
		return nil
	}
	for _, name := range mayHoldPointer {
		if err := d.runOneVictim(ctx, k, name, true); err != nil {
			return err
		}
	}
	return nil
}

// runOneVictim runs an unmodified victim. It is a doubt if a control is harmed.
func (d *decision) runOneVictim(ctx context.Context, k window.Kind, name string, control bool) error {
	d.beginStep("run %s (%s)", name, k.Name)
	r, err := d.RunOneVictim(ctx, name, k.Observer, oneVictimTime)
	if err != nil {
		return err
	}
	r.Class, r.Control = k.Class, control
	d.report(r)
	if err := r.failure(); err != nil {
		return err
	}
	if control {
		d.v.Tested.Stress++
		d.v.Tested.Seconds += r.Exposed
	}
	switch {
	case r.Outcome == Died && d.mayCrashAnyhow():
	case r.Outcome == Died && (control || !r.Confirmed()):
		d.v.addDoubt("%s, as it was built: %v", name, r)
	case r.Outcome == Survived && !control:
		d.v.addDoubt("%s has a %s window and lost nothing as it was built: %v", name, k.Name, r)
	}
	return nil
}
