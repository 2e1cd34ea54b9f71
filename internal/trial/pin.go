package trial

import (
	"context"
	"encoding/binary"
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

// pinObservations is how many observations a pinned guest survives.
const pinObservations = 20

// Pin runs a copy of the guest in which the victim waits at w.PC until it is
// preempted there.
func (g *Guest) Pin(ctx context.Context, name string, w window.Window, observer string, env ...string) (Run, error) {
	return g.PinObserved(ctx, name, w, observer, pinObservations, env...)
}

// PinObserved is like Pin, with another number of observations that the guest survives.
func (g *Guest) PinObserved(ctx context.Context, name string, w window.Window, observer string, observations int, env ...string) (Run, error) {
	config := victim.Config{Victim: name, Observer: observer, Victims: 1, Procs: 3, Observe: observations}
	return g.runPinned(ctx, w, config, env)
}

// runPinned runs a copy of the guest with a pin at w.PC.
func (g *Guest) runPinned(ctx context.Context, w window.Window, config victim.Config, env []string) (Run, error) {
	r := g.start(config.Victim, w.Class, config.Observer)
	r.Pinned, r.Held, r.Window = true, config.Hold, w
	code, err := g.File.Bytes(w.PC, 4)
	if err != nil {
		return r, err
	}
	config.Pin = victim.Pin(w.PC, binary.LittleEndian.Uint32(code))
	path := filepath.Join(g.dir, fmt.Sprintf("pin-%x-%s", w.PC, config.Observer))
	if err := patch.Pin(g.File, w.PC, path); err != nil {
		return r, err
	}
	defer os.Remove(path)
	err = g.run(ctx, &r, config, 0, lab.Job{Path: path, Env: env})
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

// run runs a guest. Its bound is twice the limit of its configuration and the time that
// everything else may take (see patience), plus more. A guest that crashes before it begins,
// or misses the marking of garbage, is started again.
func (g *Guest) run(ctx context.Context, r *Run, config victim.Config, more time.Duration, job lab.Job) error {
	job.Args, job.Env = config.Args(), append(job.Env, g.Env...)
	patience, err := g.patience(ctx, job.OneByOne)
	if err != nil {
		return err
	}
	job.Deadline = 2*config.For + patience + more
	before := *r
	for range maxStarts {
		*r = before
		result, err := g.engine.Run(ctx, job)
		if err != nil {
			return fmt.Errorf("%s under %s: %w", r.Func, r.Observer, err)
		}
		if r.judge(result, g.Windows); !r.again {
			break
		}
	}
	return nil
}

// maxStarts is how often a guest is started that crashes before it begins, or misses the
// marking of garbage. One whose runtime loses registers may do the first. Neither says anything
// about the victim.
const maxStarts = 4
