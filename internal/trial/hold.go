package trial

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"splitadd/internal/crash"
	"splitadd/internal/lab"
	"splitadd/internal/patch"
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
	r := g.start(name, w.Class, observer)
	r.Pinned, r.Held, r.Window = true, true, w
	code, err := g.File.Bytes(w.PC, 4)
	if err != nil {
		return r, err
	}
	path := filepath.Join(g.dir, fmt.Sprintf("hold-%x-%s", w.PC, observer))
	if err := patch.Pin(g.File, w.PC, path); err != nil {
		return r, err
	}
	defer os.Remove(path)
	config := victim.Config{
		Victim: name, Observer: observer, Victims: 1, Procs: 3, Observe: defaultPinBounds.Observations,
		Hold: victim.Pin(w.PC, binary.LittleEndian.Uint32(code)), ObserveAfterHold: afterHold,
	}
	err = g.run(ctx, &r, config, lab.Job{Path: path, Deadline: defaultPinBounds.Deadline, Stall: defaultPinBounds.Stall, Env: env})
	return r, err
}

// Harmed reports whether a run of Hold or RunOneVictim died of something that its preemption
// may have caused: a wrong result, an object freed in use or a crash, but not a lack of
// memory.
func (r Run) Harmed() bool { return r.Outcome == Died && r.Death.Kind != crash.OutOfMemory }

// RunOneVictim runs the unmodified guest with one victim until the limit. It is for harm
// that does not depend on chance. Stress is for harm that does. It is a harness failure
// if the victim does not complete a call.
func (g *Guest) RunOneVictim(ctx context.Context, name, observer string, limit time.Duration, env ...string) (Run, error) {
	r := g.start(name, "", observer)
	config := victim.Config{Victim: name, Observer: observer, Victims: 1, Procs: 3, For: limit}
	job := lab.Job{Path: g.File.Path, Deadline: limit + defaultPinBounds.Deadline, Env: env}
	err := g.run(ctx, &r, config, job)
	if err == nil && r.Outcome == Survived && r.Calls == 0 {
		r.Outcome, r.Reason = HarnessFailure, fmt.Sprintf("no call of the victim returned in %v", limit)
	}
	return r, err
}
