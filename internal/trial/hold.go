package trial

import (
	"context"
	"slices"
	"time"

	"splitadd/internal/crash"
	"splitadd/internal/lab"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// afterHold is how many observations follow after a held victim has gone on.
const afterHold = 20

// Hold runs a copy of the guest in which the victim waits at w.PC as it does for Pin.
// After as many observations as for a pin, the guest puts the instruction back. The
// victim goes on, and checks what it computes. Hold is for harm that shows only then,
// such as a register that was not restored. A death says which harm it was: see Harmed.
//
// The outcomes are those of Pin. A victim that does not complete a call after it was
// released is a harness failure. It is an error if w.PC holds no instruction of the
// guest. The engine has to run Linux, which lets a process write to its code.
func (g *Guest) Hold(ctx context.Context, name string, w window.Window, observer string, env ...string) (Run, error) {
	config := victim.Config{
		Victim: name, Observer: observer, Victims: 1, Procs: 3, Observe: pinObservations, Hold: true, ObserveAfterHold: afterHold,
	}
	return g.runPinned(ctx, w, config, env)
}

// Harmed reports whether a run of Hold or RunOneVictim died of something that its preemption
// may have caused: a wrong result, an object freed in use or a crash, but not a lack of
// memory.
func (r Run) Harmed() bool { return r.Outcome == Died && r.Death.Kind != crash.OutOfMemory }

// RunOneVictim runs the unmodified guest with one victim until the limit, and until a call
// of the victim has returned. It is for harm that does not depend on chance. Stress is for
// harm that does.
func (g *Guest) RunOneVictim(ctx context.Context, name, observer string, limit time.Duration, env ...string) (Run, error) {
	r := g.start(name, "", observer)
	config := victim.Config{Victim: name, Observer: observer, Victims: 1, Procs: 3, For: limit}
	err := g.run(ctx, &r, config, 0, lab.Job{Path: g.File.Path, Env: env})
	return r, err
}

// HoldObserver returns the observer that reveals what a victim of the contract is for.
func HoldObserver(c victim.Case) string {
	i := slices.IndexFunc(window.Kinds, func(k window.Kind) bool { return k.Clause == c.Clauses[len(c.Clauses)-1] })
	return window.Kinds[i].Observer
}
