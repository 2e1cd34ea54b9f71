package trial

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"splitadd/internal/crash"
	"splitadd/internal/lab"
	"splitadd/internal/patch"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// Observer returns the observer that dies of a class of window. A stack scan follows
// the stack pointer, and the execution tracer follows the frame pointer.
func Observer(class window.Class) string {
	i := slices.IndexFunc(window.Kinds, func(k window.Kind) bool { return k.Class == class })
	return window.Kinds[i].Observer
}

// PinBounds are the bounds of a pinned guest. A guest that dies does so in its first
// observations. A guest that cannot be preempted never completes one.
type PinBounds struct {
	Observations int           // after which it has survived
	Stall        time.Duration // without an observation, after which it is not preemptible
	Deadline     time.Duration
}

// defaultPinBounds are long enough for a machine that is busy with other work.
var defaultPinBounds = PinBounds{20, 5 * time.Second, time.Minute}

// Pin runs a copy of the guest in which the victim waits at w.PC until it is
// preempted there.
func (g *Guest) Pin(ctx context.Context, name string, w window.Window, observer string, env ...string) (Run, error) {
	return g.PinBounded(ctx, name, w, observer, defaultPinBounds, env...)
}

// PinBounded is like Pin, with the given bounds.
func (g *Guest) PinBounded(ctx context.Context, name string, w window.Window, observer string, b PinBounds, env ...string) (Run, error) {
	r := g.start(name, w.Class, observer)
	r.Pinned, r.Window = true, w
	path := filepath.Join(g.dir, fmt.Sprintf("pin-%x-%s", w.PC, observer))
	if err := patch.Pin(g.File, w.PC, path); err != nil {
		return r, err
	}
	defer os.Remove(path)
	config := victim.Config{Victim: name, Observer: observer, Victims: 1, Procs: 3, Observe: b.Observations}
	err := g.run(ctx, &r, config, lab.Job{Path: path, Deadline: b.Deadline, Stall: b.Stall, Env: env})
	return r, err
}

// PinReturn is the control for Pin. It pins a victim at its last return, where the frame
// is popped, which is a place without a window.
func (g *Guest) PinReturn(ctx context.Context, name, observer string) (Run, error) {
	pc, err := g.LastReturn(name)
	if err != nil {
		return Run{}, err
	}
	r, err := g.Pin(ctx, name, g.windowAt(name, window.SP, pc), observer)
	r.Control = true
	return r, err
}

// RerunUnattributed makes a run again, up to twice, if the guest died of an unwind
// failure and its log does not show where the goroutine was interrupted. Every run is
// reported; the last is returned.
func RerunUnattributed(run func() (Run, error), report func(Run)) (r Run, err error) {
	for range 3 {
		if r, err = run(); err != nil {
			return r, err
		}
		report(r)
		if r.Death.Kind != crash.Unwind {
			break
		}
	}
	return r, nil
}

func (g *Guest) start(name string, class window.Class, observer string) Run {
	c, _ := victim.Find(name)
	return Run{Class: class, Leaf: c.Leaf, Func: name, Frame: c.Frame, Observer: observer}
}

func (g *Guest) run(ctx context.Context, r *Run, config victim.Config, job lab.Job) error {
	job.Args, job.Env = config.Args(), append(job.Env, g.Env...)
	result, err := g.engine.Run(ctx, job)
	if err != nil {
		return fmt.Errorf("%s under %s: %w", r.Func, r.Observer, err)
	}
	r.judge(result, g.Windows)
	return nil
}
