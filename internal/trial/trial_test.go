package trial

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/crash"
	"splitadd/internal/hint"
	"splitadd/internal/lab"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/lab/process"
	"splitadd/internal/pclntab"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

const (
	begin   = "splitadd guest: begin leaf65552 gc\n"
	ended   = begin + "splitadd guest: end 20 calls 0 seconds 0.100\n"
	called  = begin + "splitadd guest: end 20 calls 7 seconds 0.100\n"
	partial = begin + "splitadd guest: observed 1 calls 0 seconds 0.010\n"
	refused = "splitadd guest: refused 100\n"
	died    = begin + `fatal error: traceback did not unwind completely

goroutine 5 [preempted (scan)]:
runtime.asyncPreempt2()
	/go/src/runtime/preempt.go:308 +0x3c fp=0x1 sp=0x1 pc=0x1
runtime.asyncPreempt()
	/go/src/runtime/preempt_arm64.s:47 +0x9c fp=0x1 sp=0x1 pc=0x1
main.f(0x0?)
	/main.go:9 +0x94 fp=0x1 sp=0x1 pc=0x1094
`
)

// TestJudge states the outcome of every way in which a guest's process can end.
func TestJudge(t *testing.T) {
	windows := []window.Window{{Class: window.SP, Func: "main.f", Entry: 0x1000, PC: 0x1094, Preemptible: true}}
	for _, c := range []struct {
		name      string
		result    process.Result
		pinned    bool
		outcome   Outcome
		confirmed bool
	}{
		{"ended", process.Result{Output: []byte(called)}, false, Survived, false},
		{"ended, pinned", process.Result{Output: []byte(ended)}, true, Survived, false},
		{"ended, pin not reached", process.Result{Output: []byte(called)}, true, HarnessFailure, false},
		{"ended, pin reached at last", process.Result{Output: []byte(called + "splitadd guest: stuck 20 calls 7 seconds 0.100\n")}, true, Survived, false},
		{"refused", process.Result{Output: []byte(partial + refused), Code: victim.ExitNotPreemptible}, true, NotPreemptible, false},
		{"refused, pin reached at last", process.Result{Output: []byte(called + refused), Code: victim.ExitNotPreemptible}, true, NotPreemptible, false},
		{"refused, and not pinned", process.Result{Output: []byte(partial + refused), Code: victim.ExitNotPreemptible}, false, HarnessFailure, false},
		{"refused without a signal", process.Result{Output: []byte(partial), Code: victim.ExitNotPreemptible}, true, HarnessFailure, false},
		{"died", process.Result{Output: []byte(died), Code: 2}, false, Died, true},
		{"died, pinned", process.Result{Output: []byte(died), Code: 2}, true, Died, true},
		{"died by a signal", process.Result{Output: []byte(died), Code: -1, Signal: "segmentation fault"}, false, Died, true},
		{"killed while dying", process.Result{Output: []byte(died), End: process.Deadline}, false, HarnessFailure, false},
		{"killed while dying, pinned", process.Result{Output: []byte(died), End: process.Deadline}, true, HarnessFailure, false},
		{"exit status without a word", process.Result{Output: []byte(begin), Code: 1}, false, HarnessFailure, false},
		{"a signal without a word", process.Result{Output: []byte(begin), Code: -1, Signal: "killed"}, false, HarnessFailure, false},
		{"exit status 0 before the end", process.Result{Output: []byte(begin)}, false, HarnessFailure, false},
		{"nothing", process.Result{}, false, HarnessFailure, false},
		{"emulator's complaint", process.Result{Output: []byte("qemu: fatal\n"), Code: 1}, true, HarnessFailure, false},
		{"deadline", process.Result{Output: []byte(begin), End: process.Deadline}, false, HarnessFailure, false},
		{"deadline before it began", process.Result{End: process.Deadline}, true, HarnessFailure, false},
		{"deadline, pinned", process.Result{Output: []byte(partial), End: process.Deadline}, true, HarnessFailure, false},
		{"too much", process.Result{Output: []byte(ended), End: process.TooMuchOutput}, false, HarnessFailure, false},
		{"corrupt", process.Result{Output: []byte(begin + "splitadd guest: corrupt result: f(1) returned 2, want 3\n"), Code: 65}, false, Died, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.result.End == "" {
				c.result.End = process.Exited
			}
			r := Run{Class: window.SP, Pinned: c.pinned, Window: windows[0]}
			r.judge(c.result, windows)
			assert.Equal(t, c.outcome, r.Outcome, "%v", r)
			assert.Equal(t, c.confirmed, r.Confirmed(), "%v", r)
			assert.Equal(t, c.outcome == HarnessFailure, r.Reason != "")
			assert.NotEmpty(t, r.String())
		})
	}
}

func TestConfirmed(t *testing.T) {
	w := window.Window{Class: window.SP, PC: 0x1094}
	r := Run{Class: window.SP, Outcome: Died, Death: crash.Death{Kind: crash.SplitSP, Window: &w}}
	assert.True(t, r.Confirmed())
	r.Pinned, r.Window = true, window.Window{Class: window.SP, PC: 0x2000}
	assert.False(t, r.Confirmed(), "died of another window than the pinned one")
	r.Pinned, r.Class = false, window.FP
	assert.False(t, r.Confirmed(), "died of a window of the other class")
}

func TestRerunUnattributed(t *testing.T) {
	kinds := []crash.Kind{crash.Unwind, crash.Unwind, crash.Unwind, crash.SplitSP}
	for first, want := range []int{3, 3, 2, 1} {
		n := first
		reported := 0
		r, err := RerunUnattributed(func() (Run, error) {
			n++
			return Run{Death: crash.Death{Kind: kinds[n-1]}}, nil
		}, func(Run) { reported++ })
		require.NoError(t, err)
		assert.Equal(t, want, reported)
		assert.Equal(t, kinds[n-1], r.Death.Kind)
	}
}

// TestDecide decides one toolchain, and shows that nothing is left in the
// guest's folder. In -short mode the session in docs/check.md does so.
func TestDecide(t *testing.T) {
	labtest.Long(t, "every run of a check, which TestDocs makes as well")
	ctx := context.Background()
	engine, err := lab.FindEngine(ctx, lab.Choice{})
	require.NoError(t, err)
	path := labtest.Guest(t, "go1.27.4")
	g, err := Open(path, engine)
	require.NoError(t, err)
	defer g.Close()
	assert.Equal(t, []string{"leaf SP", "leaf FP"}, g.Static().Affected)
	var steps []Step
	controls := 0
	v, err := g.Decide(ctx, 20*time.Second, func(s Step) { steps = append(steps, s) }, func(r Run) {
		if r.Control {
			controls++
			assert.NotEqual(t, Died, r.Outcome, "%v", r)
		} else {
			assert.True(t, r.Confirmed() || r.Death.Kind == crash.Unwind, "%v", r)
		}
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"leaf SP", "leaf FP"}, v.Affected)
	assert.Empty(t, v.Doubts)
	assert.True(t, v.Proved)
	assert.Equal(t, []int{14, 7, 3}, []int{v.Tested.Windows, v.Tested.Controls, v.Tested.Stress})
	assert.Greater(t, v.Tested.Seconds, 1.9)
	assert.Equal(t, 10, controls, "one where there is no window, a pin and a stress run of non-leaf SP, a hold for each of clauses 3 to 7, and two of the ladder")
	assert.Len(t, steps, steps[0].Total)
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	require.NoError(t, err)
	assert.Equal(t, []string{path}, files)
}

// TestManyPins reads the guest's function table as often as thousands of pins do.
func TestManyPins(t *testing.T) {
	g := openGuest(t, labtest.Guest(t, "go1.27.4"))
	for range 5000 {
		_, err := pclntab.Open(g.File)
		require.NoError(t, err)
	}
}

// TestUnpinned has a kind of window that only functions have which are not pinned.
func TestUnpinned(t *testing.T) {
	g := openGuest(t, labtest.Guest(t, "go1.27.4"))
	for _, function := range []string{"errors.Is", prefix + "savenonleaf208"} {
		stale := window.Window{Func: function, Class: window.FP, Stale: true, Preemptible: true, Entry: 0x1000, PC: 0x1010}
		g.Windows = []window.Window{stale}
		assert.Equal(t, []string{"leaf SP", "leaf FP", "stale FP"}, g.Static().Affected)
		d := decision{Guest: g}
		d.unpinned("stale FP", []window.Window{{Class: window.SP}})
		assert.Equal(t, []string{function + " has a stale FP window at +0x10, and no victim that is pinned has one: it was not run"}, d.v.Doubts)
		d = decision{Guest: g}
		d.unpinned("stale FP", []window.Window{stale})
		assert.Empty(t, d.v.Doubts)
	}
}

// TestNotPreemptible pins a victim where the runtime does not preempt, and another one where
// it does, under every observer. Some observers do not wait for the victim.
func TestNotPreemptible(t *testing.T) {
	g := openGuest(t, labtest.Guest(t, "go1.27.4"))
	unsafe, err := g.place(expectedSplits()[2])
	require.NoError(t, err)
	ret, err := g.LastReturn("leaf4096")
	require.NoError(t, err)
	safe := g.windowAt("leaf4096", window.SP, ret)
	const off = "GODEBUG=asyncpreemptoff=1"
	for _, observer := range append(victim.Observers, "all") {
		for _, c := range []struct {
			name string
			w    window.Window
			env  []string
			want Outcome
		}{
			{"nonleaf65552", unsafe, nil, NotPreemptible},
			{"leaf4096", safe, nil, Survived},
			{"leaf4096", safe, []string{off}, NotPreemptible},
		} {
			r, err := g.PinObserved(context.Background(), c.name, c.w, observer, 3, c.env...)
			require.NoError(t, err)
			assert.Equal(t, c.want, r.Outcome, "%s under %s, %v: %s", c.name, observer, c.env, r.Log)
			assert.Equal(t, c.want == NotPreemptible, strings.Contains(string(r.Log), refused), "%s", r.Log)
		}
	}
}

// TestTooSlow expects a harness failure of a guest that does not end within its bound.
func TestTooSlow(t *testing.T) {
	g := openGuest(t, labtest.Guest(t, "go1.27.4"))
	patience, err := g.patience(context.Background(), false)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, patience, usualPatience)
	g.pace.times = 1e-6
	r, err := g.PinReturn(context.Background(), "leaf4096", "gc")
	require.NoError(t, err)
	assert.Equal(t, HarnessFailure, r.Outcome, "%v", r)
	assert.True(t, r.TooSlow)
	var hinted *hint.Error
	require.ErrorAs(t, r.failure(), &hinted)
	assert.Contains(t, hinted.Hint, "too slow")
}

// TestSplits states the victims that splits chooses.
func TestSplits(t *testing.T) {
	var names []string
	for _, s := range expectedSplits() {
		names = append(names, s.kind()+" "+s.victim.Func)
	}
	assert.Equal(t, []string{"leaf SP leaf65552", "leaf FP leaf69632", "non-leaf SP nonleaf65552"}, names)
}

// TestLies decides with a wrong finder or a wrong table of safe points, as a release
// would have whose tables have changed their meaning. Then there must not be a verdict.
func TestLies(t *testing.T) {
	ctx := context.Background()
	engine, err := lab.FindEngine(ctx, lab.Choice{})
	require.NoError(t, err)
	unsafe := func(uint64) (string, error) { return "unsafe point", nil }
	safe := func(uint64) (string, error) { return "", nil }
	hidden := func(g *Guest) { // no table shows a window
		g.Windows, g.unpreemptible = nil, unsafe
		for name, f := range g.Functions {
			f.Windows = nil
			g.Functions[name] = f
		}
	}
	type lie struct {
		name, release string
		lie           func(*Guest)
		stressed      bool     // an unmodified guest dies as well
		doubts        []string // of the pins
	}
	for _, c := range labtest.Few(t, 4, []lie{
		{"every boundary is said to be an unsafe point", "go1.27.4", hidden, true, []string{
			`no leaf SP window was found, but pinned at leaf65552.*, where the assembler's rule puts one, a guest died after `,
			`no leaf FP window was found, but pinned at leaf69632.*, where the assembler's rule puts one, a guest died after `,
		}},
		{"so, and there are windows in functions that make calls", "go1.23.4", hidden, true, []string{
			`no leaf SP window .* a guest died after `, `no leaf FP window .* a guest died after `,
			`no non-leaf SP window was found, but pinned at nonleaf65552.*, where the assembler's rule puts one, a guest died after `,
		}},
		{"a boundary is said to be an unsafe point", "go1.18.10", func(g *Guest) { g.unpreemptible = unsafe }, false, []string{
			`no leaf FP window was found, but pinned at leaf69632.*, where .*, a guest was preempted, and the function table says that it is not: unsafe point$`,
		}},
		{"an unsafe point is said to be none", "go1.27.4", func(g *Guest) { g.unpreemptible = safe }, false, []string{
			`no non-leaf SP window was found, but pinned at nonleaf65552.*, where .*, a guest was not preempted, and the function table says that it is$`,
		}},
	}) {
		if labtest.LeftOut(t, c.release) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			g, err := Open(labtest.Guest(t, c.release), engine)
			require.NoError(t, err)
			defer g.Close()
			c.lie(g)
			v, err := g.Decide(ctx, 0, func(Step) {}, func(Run) {})
			require.NoError(t, err)
			all := strings.Join(v.Doubts, "\n")
			for _, doubt := range c.doubts {
				assert.Regexp(t, "(?m)^"+doubt, all)
			}
			died := strings.Count(all, " window was found, but as it was built ")
			assert.Equal(t, c.stressed, died > 0, "%s", all)
			splits := 0
			for _, d := range v.Doubts {
				if strings.Contains(d, " window was found, ") { // others are of clauses 3 to 7
					splits++
				}
			}
			assert.Equal(t, len(c.doubts)+died, splits, "%s", all)
		})
	}
}

// TestVM makes a guest die in a virtual machine, in which a Linux kernel delivers the
// signals: pinned, and in a stress run.
func TestVM(t *testing.T) {
	ctx := context.Background()
	engine, err := lab.FindEngine(ctx, lab.Choice{Name: "vm"})
	require.NoError(t, err)
	defer engine.Close()
	g, err := Open(labtest.Guest(t, "go1.27.4"), engine)
	require.NoError(t, err)
	defer g.Close()
	control, err := g.PinReturn(ctx, "leaf4096", "gc")
	require.NoError(t, err)
	assert.Equal(t, Survived, control.Outcome, "%v", control)
	w := g.Preemptible("leaf65568")[1]
	require.Equal(t, window.SP, w.Class)
	logged := func(r Run) { t.Logf("%s, pinned=%t: %v; %s", r.Func, r.Pinned, r, engine.Evidence) }
	pinned, err := RerunUnattributed(func() (Run, error) { return g.Pin(ctx, "leaf65568", w, "gc") }, logged)
	require.NoError(t, err)
	assert.True(t, pinned.Confirmed(), "%s", pinned.Log)
	fp := g.Preemptible("leaf69632")[0]
	stressed, err := RerunUnattributed(func() (Run, error) {
		return g.Stress(ctx, "leaf69632", fp.Class, "trace", DefaultStress, 2*time.Minute)
	}, logged)
	require.NoError(t, err)
	assert.True(t, stressed.Confirmed(), "%s", stressed.Log)
}

// TestCalibrate calibrates a stress run and makes some: an affected leaf dies every time.
func TestCalibrate(t *testing.T) {
	labtest.Long(t, "dozens of stress runs")
	ctx := context.Background()
	engine, err := lab.FindEngine(ctx, lab.Choice{})
	require.NoError(t, err)
	g, err := Open(labtest.Guest(t, "go1.27.4"), engine)
	require.NoError(t, err)
	defer g.Close()
	tried := map[string]int{}
	how, err := g.Calibrate(ctx, "leaf69632", window.FP, "trace", func(r Run) { tried[r.Stress.String()]++ })
	require.NoError(t, err)
	assert.Len(t, tried, 4)
	assert.Contains(t, tried, how.String())
	s := Series{Func: "leaf69632", Class: window.FP, Observer: "trace", Stress: how, Limit: time.Minute}
	require.NoError(t, g.Measure(ctx, &s, 5, func(Run) {}))
	assert.Equal(t, 5, s.Sample.Deaths(), "%v", s)
	assert.Equal(t, []any{"leaf FP", 69632, engine.Evidence}, []any{s.Kind(), s.Frame, s.Engine})

	clean := Series{Func: "leaf65536", Class: window.SP, Observer: "gc", Stress: DefaultStress, Limit: 300 * time.Millisecond}
	require.NoError(t, g.Measure(ctx, &clean, 2, func(Run) {}))
	assert.Zero(t, clean.Sample.Deaths())
	assert.Greater(t, clean.Sample.Seconds(), 0.6)

	within, cancel := context.WithCancel(ctx)
	err = g.Measure(within, &clean, 100, func(Run) {
		if len(clean.Sample) == 3 {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.Len(t, clean.Sample, 4, "what was measured before stays")
}
