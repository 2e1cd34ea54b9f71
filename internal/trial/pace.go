package trial

import (
	"context"
	"fmt"
	"sync"
	"time"

	"splitadd/internal/hint"
	"splitadd/internal/lab"
	"splitadd/internal/lab/process"
	"splitadd/internal/victim"
)

// The bounds of a guest's run. They protect from a guest that hangs: no outcome depends on
// them, because a run that reaches its bound is a harness failure.
const (
	usualPatience = time.Minute            // on a machine on which calibration takes usualTime
	usualTime     = 200 * time.Millisecond // of calibration, under an idle user-mode emulator
	oneByOneTimes = 10                     // how much slower a guest is one instruction at a time

	calibrationLimit        = 10 * time.Minute
	calibrationObservations = 5
)

// A pace says how much slower than usual guests run here.
type pace struct {
	mu    sync.Mutex
	times float64 // at least 1; 0 if it was not measured yet
}

// patience returns how long a run of the guest may take, in addition to a time that its
// configuration gives it. The first call runs the unmodified guest to find out how fast
// this machine is.
func (g *Guest) patience(ctx context.Context, oneByOne bool) (time.Duration, error) {
	g.pace.mu.Lock()
	defer g.pace.mu.Unlock()
	if g.pace.times == 0 {
		times, err := g.measurePace(ctx)
		if err != nil {
			return 0, err
		}
		g.pace.times = times
	}
	patience := time.Duration(float64(usualPatience) * g.pace.times)
	if oneByOne {
		patience *= oneByOneTimes
	}
	return patience, nil
}

// measurePace returns how many times longer than usual a run takes. It does not matter how
// the run ends, unless it is too slow to end.
func (g *Guest) measurePace(ctx context.Context) (times float64, err error) {
	config := victim.Config{Victim: "leaf4096", Observer: "gc", Victims: 1, Procs: 3, Observe: calibrationObservations}
	result, err := g.engine.Run(ctx, lab.Job{Path: g.File.Path, Args: config.Args(), Env: g.Env, Deadline: calibrationLimit})
	if err != nil {
		return 0, fmt.Errorf("calibration: %w", err)
	}
	if result.End == process.Deadline {
		return 0, &hint.Error{
			Err:  fmt.Errorf("%w: a guest that is to be observed %d times did not end within %v", ErrHarness, calibrationObservations, calibrationLimit),
			Hint: "the machine is too slow, or too busy",
		}
	}
	return max(1, result.Seconds/usualTime.Seconds()), nil
}
