package race

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"splitadd/internal/arm64"
	"splitadd/internal/trial"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// verdictFile holds the known verdicts: each line has a release and its kinds of window.
const verdictFile = "testdata/verdicts.txt"

// goVersion is this Go's name for itself, without experiments.
func goVersion() string { return strings.Fields(runtime.Version())[0] }

// known returns the kinds of window that this Go is known to have. A Go that is not in
// the file has to be clean, so it returns none.
func known(t *testing.T) (kinds []string) {
	data, err := os.ReadFile(verdictFile)
	require.NoError(t, err)
	for _, line := range strings.Split(string(data), "\n") {
		if version, rest, ok := strings.Cut(line, ":"); ok && version == goVersion() {
			for _, kind := range strings.Split(rest, ",") {
				if kind = strings.TrimSpace(kind); kind != "" {
					require.Contains(t, window.KindNames(), kind, "%s: %s", verdictFile, version)
					kinds = append(kinds, kind)
				}
			}
			return kinds
		}
	}
	t.Logf("%s is not in %s: it has to be clean", goVersion(), verdictFile)
	return nil
}

// record writes the verdict on this Go to the file.
func record(t *testing.T, kinds []string) {
	data, err := os.ReadFile(verdictFile)
	require.NoError(t, err)
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(data)), "\n"), func(line string) bool {
		return strings.HasPrefix(line, goVersion()+":")
	})
	lines = append(lines, strings.TrimSpace(goVersion()+": "+strings.Join(kinds, ", ")))
	slices.Sort(lines)
	require.NoError(t, os.WriteFile(verdictFile, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
}

// split returns the classes of window that the assembler's rule for constants
// gives an epilogue that adds the frame size to the stack pointer, and the
// frame size less 8 to the frame pointer (cmd/internal/obj/arm64/obj7.go,
// preprocess). Non-leaf functions load their frame pointer instead.
func split(c victim.Case) (classes []window.Class) {
	if c.Leaf && arm64.Expand(uint64(c.Frame-8)) == arm64.TwoADDs {
		classes = append(classes, window.FP)
	}
	if arm64.Expand(uint64(c.Frame)) == arm64.TwoADDs {
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
	kinds := slices.DeleteFunc(known(t), held)
	var affected []string
	for _, c := range victim.Cases() {
		t.Run(c.Func, func(t *testing.T) {
			var expected []window.Class
			for _, class := range split(c) {
				if *update || slices.Contains(kinds, window.KindName(class, c.Leaf)) {
					expected = append(expected, class)
				}
			}
			found := guest.Preemptible(c.Func)
			if *update && len(found) == 0 {
				expected = nil // a release with the fix for this kind
			}
			if !slices.Equal(expected, classes(found)) {
				t.Errorf("%s, frame %d: expected windows %v, found %v\n%s", c.Func, c.Frame, expected, found, epilogue(c))
			}
			if len(found) == 0 {
				survive(t, c)
			}
			for _, w := range found {
				if pinned(t, c, w) && !slices.Contains(affected, w.Kind()) {
					affected = append(affected, w.Kind())
				}
			}
		})
	}
	slices.SortFunc(affected, func(a, b string) int {
		return slices.Index(window.KindNames(), a) - slices.Index(window.KindNames(), b)
	})
	t.Logf("%s is affected: [%s]", runtime.Version(), strings.Join(affected, ", "))
	if !*update {
		require.Equal(t, kinds, affected, "kinds that died, beside those in %s", verdictFile)
	}
	if *update && !t.Failed() {
		for _, kind := range guest.Static().Affected {
			if held(kind) { // TestSplitADDContract proves it
				affected = append(affected, kind)
			}
		}
		record(t, affected)
	}
}

// pinned pins a victim in a window under every observer, and reports whether
// it died under the one that must die of the window. Under the others it may die of the
// window or survive, but nothing else may happen.
func pinned(t *testing.T, c victim.Case, w window.Window) bool {
	confirmed := false
	var cells []string
	for _, observer := range victim.Observers {
		r, err := trial.RerunUnattributed(func() (trial.Run, error) { return guest.Pin(ctx, c.Func, w, observer) }, func(trial.Run) {})
		require.NoError(t, err)
		cells = append(cells, fmt.Sprintf("%s: %s %.2f s", observer, r.Outcome, r.Seconds))
		must := observer == trial.Observer(w.Class) || w.Class == window.SP && observer == "trace"
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
	for _, observer := range []string{"gc", "trace"} {
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

// TestSplitADDVerdictFile checks the form of the whole file.
func TestSplitADDVerdictFile(t *testing.T) {
	data, err := os.ReadFile(filepath.FromSlash(verdictFile))
	require.NoError(t, err)
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		version, kinds, ok := strings.Cut(line, ":")
		require.True(t, ok, line)
		require.Regexp(t, `^go1\.[0-9]+(\.[0-9]+)?$`, version)
		for _, kind := range strings.Split(kinds, ",") {
			require.Contains(t, append(window.KindNames(), ""), strings.TrimSpace(kind), line)
		}
	}
}
