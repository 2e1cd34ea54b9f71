// Package trial runs guests and says how each run ended. From pinned runs, stress runs
// and controls it decides the verdict on a toolchain. It also estimates how long
// victims live.
package trial

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize/english"

	"splitadd/internal/crash"
	"splitadd/internal/hint"
	"splitadd/internal/lab/process"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// An Outcome says how a run of a guest ended. Died and Survived are measurements of how
// long it lives. HarnessFailure says that nothing was measured.
type Outcome string

const (
	Died           Outcome = "died"
	Survived       Outcome = "survived"
	NotPreemptible Outcome = "not preemptible" // many preemption signals at the pin, and no preemption
	HarnessFailure Outcome = "harness failure"
)

// A Run is one run of a guest.
type Run struct {
	Class    window.Class // the class of the window that the run tests
	Leaf     bool
	Func     string // the victim's name in its package
	Frame    int    // bytes
	Observer string
	Pinned   bool
	Held     bool          // the pin was to be released: see Hold
	Control  bool          // a control: it must not die
	Window   window.Window // where it was pinned
	Stress   StressConfig  // of a stress run
	Seed     int           // different for each run of a series; 0 means none

	Outcome       Outcome
	Death         crash.Death // of a run that died
	Reason        string      // of a harness failure
	TooSlow       bool        // the guest did not end in many times the usual time: a harness failure
	PinNotReached bool        // the victim's calls do not reach the pin: a harness failure
	again         bool        // the guest may be started again: a harness failure
	Seconds       float64     // from the start of the process to its end
	Exposed       float64     // of those, seconds since the victims began
	Observations  int         // completed, according to the guest's last report
	Calls         uint64      // of the victim, completed, according to the same report
	Log           []byte      // what the guest printed
}

// Kind returns the kind of window that the run is about: "leaf SP".
func (r Run) Kind() string {
	if r.Pinned {
		return r.Window.Kind()
	}
	return window.KindName(r.Class, r.Leaf)
}

// Confirmed reports whether the guest died of a window of the run's class. A pinned
// guest has to die of the pinned window, and a held one of harm after its release.
func (r Run) Confirmed() bool {
	if r.Outcome != Died {
		return false
	}
	if r.Held {
		return r.Harmed()
	}
	if k, ok := window.KindNamed(string(r.Class)); ok && k.ProvedByHold {
		return r.Death.Kind == crash.Freed || r.Death.Kind == crash.Corrupt
	}
	w := r.Death.Window
	return w != nil && w.Class == r.Class && (!r.Pinned || w.PC == r.Window.PC)
}

// String says how the run ended, in a few words.
func (r Run) String() string {
	switch r.Outcome {
	case Died:
		return fmt.Sprintf("died after %.2f s: %s", r.Seconds, r.Death)
	case Survived:
		return fmt.Sprintf("survived %.1f s, %s, %s", r.Seconds, english.Plural(r.Observations, "observation", ""), english.Plural(int(r.Calls), "call", ""))
	case HarnessFailure:
		return fmt.Sprintf("harness failure: %s", r.Reason)
	}
	return string(r.Outcome)
}

// ErrHarness is wrapped by the error of a run in which nothing was measured.
var ErrHarness = errors.New("harness failure")

// failure returns the error of a run in which nothing was measured.
func (r Run) failure() error {
	if r.Outcome != HarnessFailure {
		return nil
	}
	how := "stress run"
	if r.Pinned {
		how = fmt.Sprintf("pinned at +%#x", r.Window.Offset())
	}
	next := "does the emulator run other arm64 programs? -static gives the verdict from the code alone"
	if r.TooSlow {
		next = "the machine is too slow, became much slower after the first run, or the guest hangs: run it again when the machine is idle"
	}
	return &hint.Error{Err: fmt.Errorf("%w: %s, %s, under %s: %s", ErrHarness, r.Func, how, r.Observer, r.Reason), Hint: next}
}

// judge sets the outcome of a run, from how its process ended.
func (r *Run) judge(result process.Result, windows []window.Window) {
	x := parseExposure(result.Output)
	r.Seconds, r.Observations, r.Calls, r.Log = result.Seconds, x.observations, x.calls, result.Output
	if x.began {
		r.Exposed = result.Seconds - result.FirstOutput
	}
	fail := func(format string, args ...any) {
		r.Outcome, r.Reason = HarnessFailure, fmt.Sprintf(format, args...)
		r.TooSlow = result.End == process.Deadline
	}
	death := crash.Classify(result.Output, windows)
	switch {
	case result.End == process.TooMuchOutput:
		fail("the guest printed more than %d bytes", process.MaxOutput)
	case !x.began:
		r.again = result.End == process.Exited && death.Kind != ""
		fail("the guest ended before it began: %s: %s", ending(result), lastLine(result.Output))
	case result.End == process.Exited && result.Code == 0 && x.ended && r.Pinned && !x.released && x.calls > 0 && !x.stuck:
		r.PinNotReached = true
		fail("the pin was never reached: %s returned", english.Plural(int(x.calls), "call", ""))
	case result.End == process.Exited && result.Code == 0 && x.ended:
		r.Outcome = Survived
	case result.End == process.Exited && death.Kind != "":
		r.Outcome, r.Death = Died, death
	case result.End == process.Exited && result.Code == victim.ExitNotPreemptible && x.refused > 0 && r.Pinned && !x.released:
		r.Outcome = NotPreemptible
	default:
		r.again = result.End == process.Exited && result.Code == victim.ExitMissed
		fail("%s: %s", ending(result), lastLine(result.Output))
	}
}

// ending says how a guest's process ended.
func ending(r process.Result) string {
	switch {
	case r.End != process.Exited:
		return fmt.Sprintf("killed after %.1f s (%s)", r.Seconds, r.End)
	case r.Signal != "":
		return "ended by a signal: " + r.Signal
	}
	return fmt.Sprintf("exit status %d", r.Code)
}

// lastLine returns the last line that a guest printed, at most 200 bytes.
func lastLine(output []byte) string {
	output = bytes.TrimSpace(output)
	line := output[bytes.LastIndexByte(output, '\n')+1:]
	return string(line[:min(len(line), 200)])
}
