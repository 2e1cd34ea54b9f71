package race

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"splitadd/internal/arm64"
	"splitadd/internal/trial"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// split returns the classes of window that the assembler's rule for constants
// gives an epilogue that adds the frame size to the stack pointer, and the
// frame size less 8 to the frame pointer (cmd/internal/obj/arm64/obj7.go,
// preprocess). Non-leaf functions load their frame pointer instead.
func split(c victim.Case) (classes []window.Class) {
	if c.Leaf && arm64.FormOf(uint64(c.Frame-8)) == arm64.TwoADDs {
		classes = append(classes, window.FP)
	}
	if arm64.FormOf(uint64(c.Frame)) == arm64.TwoADDs {
		classes = append(classes, window.SP)
	}
	return classes
}

// classes returns the classes of windows, in order.
func classes(windows []window.Window) (found []window.Class) {
	for _, w := range windows {
		found = append(found, w.Class)
	}
	return found
}

// held reports whether a kind of window is proved by holding a victim in it.
func held(kind string) bool {
	k, _ := window.KindNamed(kind)
	return k.ProvedByHold
}

// TestSplitADDFrames makes the table. For each victim, three sets of windows must be the
// same: those that the assembler's rule makes, those that the finder finds, and those
// in which the pinned victim dies.
func TestSplitADDFrames(t *testing.T) {
	t.Logf("%s; %s", runtime.Version(), engine.Evidence)
	kinds := slices.DeleteFunc(expectedKinds(t), held)
	var mu sync.Mutex
	var affected []string
	pin := func(t *testing.T, c victim.Case, w window.Window, every bool) {
		died := pinned(t, c, w, every)
		mu.Lock()
		defer mu.Unlock()
		if died && !slices.Contains(affected, w.Kind()) {
			affected = append(affected, w.Kind())
		}
	}
	sampled := map[string]bool{} // kinds of which a window was pinned under every observer
	t.Cleanup(func() {           // when all victims have run
		if n := leftOut.Load(); n > 0 {
			t.Logf("left out: %d pins under observers that do not show the kind of window; -args -all runs them", n)
		}
		decideFrames(t, affected)
	})
	for _, c := range victim.Cases() {
		every := map[string]bool{} // the windows of the victim that are pinned under every observer
		for _, w := range guest.Preemptible(c.Func) {
			every[w.String()] = *all || !sampled[w.Kind()]
			sampled[w.Kind()] = true
		}
		t.Run(c.Func, func(t *testing.T) {
			t.Parallel()
			var expected []window.Class
			for _, class := range split(c) {
				if slices.Contains(kinds, window.KindName(class, c.Leaf)) {
					expected = append(expected, class)
				}
			}
			found := guest.Preemptible(c.Func)
			if !slices.Equal(expected, classes(found)) {
				t.Errorf("%s, frame %d: expected windows %v, found %v\n%s", c.Func, c.Frame, expected, found, epilogue(c))
			}
			if len(found) == 0 {
				survive(t, c)
			}
			for _, w := range found {
				pin(t, c, w, every[w.String()])
			}
		})
	}
	for _, w := range guest.WindowsToPin() {
		if c := guest.Case(w); len(c.Clauses) > 0 { // no victim of Cases has the kind
			t.Run(c.Func, func(t *testing.T) {
				t.Parallel()
				pin(t, c, w, false)
			})
		}
	}
}

// leftOut counts the pins that are left out unless -all is given: those under observers
// that do not show a kind of window, except for the first window of each kind.
var leftOut atomic.Int64

// decideFrames fails the test if its victims did not die of the kinds of window that pass.
func decideFrames(t *testing.T, affected []string) {
	slices.SortFunc(affected, func(a, b string) int {
		return slices.Index(window.KindNames(), a) - slices.Index(window.KindNames(), b)
	})
	decide(t, "kinds that a pin proves", affected, held)
	if *update && !t.Failed() {
		for _, kind := range guest.Static().Affected {
			if held(kind) { // TestSplitADDContract proves it
				affected = append(affected, kind)
			}
		}
		record(t, affected)
	}
}

// pinned pins a victim in a window, and reports whether it died under the observers that
// must die of the window. If every is true, it pins it under the others as well: then it
// may die of the window or survive, but nothing else may happen.
func pinned(t *testing.T, c victim.Case, w window.Window, every bool) bool {
	confirmed := false
	var cells []string
	for _, observer := range victim.Observers {
		must := observer == trial.Observer(w.Class) || w.Class == window.SP && observer == "trace"
		if !must && !every {
			leftOut.Add(1)
			continue
		}
		r, err := trial.RerunUnattributed(func() (trial.Run, error) { return guest.Pin(ctx, c.Func, w, observer) }, func(trial.Run) {})
		require.NoError(t, err)
		cells = append(cells, fmt.Sprintf("%s: %s %.2f s", observer, r.Outcome, r.Seconds))
		switch {
		case observer == "none" && r.Outcome != trial.Survived,
			r.Outcome != trial.Survived && !r.Confirmed(),
			must && !r.Confirmed():
			t.Errorf("%v under %s: %v\n%s%s", w, observer, r, disassembly(w), r.Log)
		case must:
			confirmed = true
		}
	}
	t.Logf("%v, %d where %d is claimed: %s", w, w.Actual, w.Claimed, strings.Join(cells, ", "))
	return confirmed
}

// survive pins a victim without windows at its last return.
func survive(t *testing.T, c victim.Case) {
	observers := []string{"gc", "trace"}
	if !c.Leaf && !*all { // only a leaf function may have a window that trace alone shows
		observers = observers[:1]
		leftOut.Add(1)
	}
	for _, observer := range observers {
		r, err := guest.PinReturn(ctx, c.Func, observer)
		require.NoError(t, err)
		if r.Outcome != trial.Survived {
			t.Errorf("%s, pinned where it has no window, under %s: %v\n%s", c.Func, observer, r, epilogue(c))
		}
	}
}

// TestSplitADDControls runs controls without async preemption. The unmodified binary
// must not die. In a pinned one no signal preempts the victim.
func TestSplitADDControls(t *testing.T) {
	const off = "GODEBUG=asyncpreemptoff=1"
	c, ok := victim.Find("leaf65552")
	require.True(t, ok)
	r, err := guest.Stress(ctx, c.Func, window.SP, "gc", trial.DefaultStress, *limit/16, off)
	require.NoError(t, err)
	require.Equal(t, trial.Survived, r.Outcome, "%v", r)
	t.Logf("%s, stressed with %s: %v", c.Func, off, r)

	for _, w := range guest.Preemptible(c.Func) {
		r, err := guest.Pin(ctx, c.Func, w, "gc", off)
		require.NoError(t, err)
		require.Equal(t, trial.NotPreemptible, r.Outcome, "%v", r)
	}
	for _, w := range guest.WindowsNotRun() {
		t.Logf("this binary also has a window outside the victims: %v", w)
	}
}

// disassembly returns the instructions around a window.
func disassembly(w window.Window) string { return window.Disassembly(guest.File, w, 4, 2) }

// epilogue returns the instructions before a victim's last return.
func epilogue(c victim.Case) string {
	pc, err := guest.LastReturn(c.Func)
	if err != nil {
		return err.Error() + "\n"
	}
	f := guest.Functions[c.Func]
	return window.Disassembly(guest.File, window.Window{Entry: f.Entry, PC: pc}, 6, 0)
}
