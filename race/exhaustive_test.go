package race

import (
	"encoding/binary"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"splitadd/internal/lab"
	"splitadd/internal/pclntab"
	"splitadd/internal/trial"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

var exhaustive = flag.String("exhaustive", "", "pin every boundary of every victim of these toolchains, separated by commas")

// exhaustiveObservations is small because there are thousands of runs.
const exhaustiveObservations = 3

// TestSplitADDExhaustive pins victims at every instruction boundary of their functions,
// under all observers in turn, and compares what happens with what the finder says. If
// the finder reports a window in which the runtime preempts, the victim must die of it.
// If it reports no window, the victim must survive. If it says that the runtime does not
// preempt, no signal must preempt the victim. The victims of clauses 3 to 7 are held
// instead.
//
// Without -exhaustive it does so for a leaf and a non-leaf function of this Go.
func TestSplitADDExhaustive(t *testing.T) {
	if *exhaustive == "" {
		if testing.Short() {
			t.Skip("long: every boundary of two victims: make test-all")
		}
		for _, name := range []string{"leaf65552", "nonleaf65552"} {
			t.Run(name, func(t *testing.T) { everyBoundary(t, guest, name) })
		}
		return
	}
	for _, name := range strings.Split(*exhaustive, ",") {
		t.Run(name, func(t *testing.T) {
			toolchain, err := lab.Resolve(ctx, name)
			require.NoError(t, err)
			g, err := trial.Build(ctx, toolchain, engine, t.TempDir())
			require.NoError(t, err)
			defer g.Close()
			for _, c := range victim.Contract() {
				t.Run(c.Func, func(t *testing.T) { everyHold(t, g, c) })
			}
			for _, c := range victim.Cases() {
				t.Run(c.Func, func(t *testing.T) { everyBoundary(t, g, c.Func) })
			}
		})
	}
}

// everyBoundary pins a victim at each of its boundaries.
func everyBoundary(t *testing.T, g *trial.Guest, name string) {
	f := g.Functions[name]
	each(t, g, f, func(w window.Window, why string) (string, error) {
		reported := false
		for _, x := range f.Windows {
			if x.PC == w.PC && x.Preemptible && !reported {
				w, reported = x, true
			}
		}
		pin := func() (trial.Run, error) { return g.PinObserved(ctx, name, w, "all", exhaustiveObservations) }
		r, err := trial.RerunUnattributed(pin, func(trial.Run) {})
		return boundary(r, reported, why), err
	})
}

// everyHold holds a victim of clauses 3 to 7 at each of its boundaries. It must be harmed
// in at least one of the windows that are reported, and nowhere else. A victim that loses
// its object without being held may lose it at any boundary.
func everyHold(t *testing.T, g *trial.Guest, c victim.Case) {
	f := g.Functions[c.Func]
	preemptible := g.Preemptible(c.Func)
	grows := growth(t, g, f)
	observer := trial.HoldObserver(c)
	count := each(t, g, f, func(w window.Window, why string) (string, error) {
		reported := false
		for _, x := range preemptible {
			if x.PC == w.PC {
				w, reported = x, true
			}
		}
		r, err := g.Hold(ctx, c.Func, w, observer)
		switch {
		case err != nil:
			return "", err
		case reported && r.Harmed():
			return "harmed", nil
		case reported && r.Outcome == trial.Survived:
			return "unharmed in a window", nil
		case r.Outcome == trial.NotPreemptible && w.PC >= grows:
			return "no room to preempt", nil
		case len(preemptible) > 0 && r.Harmed():
			return "harmed outside a window", nil
		}
		return boundary(r, reported, why), nil
	})
	if len(preemptible) > 0 && count["harmed"] == 0 {
		t.Errorf("%s has windows (%v) and was harmed in none", c.Func, preemptible[0])
	}
	if len(preemptible) > 0 && count["harmed outside a window"] > 0 && preemptible[0].Class != window.Pointer {
		t.Errorf("%s was harmed at boundaries that are not reported", c.Func)
	}
}

// each runs a victim at each of its boundaries, in order of their addresses, two at a
// time. It returns the number of times that each result was seen. If a result has a
// colon, the text after it is an error.
func each(t *testing.T, g *trial.Guest, f window.Function, run func(w window.Window, why string) (string, error)) map[string]int {
	table, err := pclntab.Open(g.File)
	require.NoError(t, err)
	fn, ok := table.PCToFunc(f.Entry)
	require.True(t, ok)
	points, err := fn.SafePoints()
	require.NoError(t, err)
	pcsp, err := fn.PCSP()
	require.NoError(t, err)
	end := pcsp[len(pcsp)-1].End // what follows is padding
	code, err := g.File.Bytes(f.Entry, end-f.Entry)
	require.NoError(t, err)
	data := literals(code)

	results := make([]string, (end-f.Entry)/4)
	var group errgroup.Group
	group.SetLimit(2)
	for pc := f.Entry; pc < end; pc += 4 {
		result := &results[(pc-f.Entry)/4]
		if data[int(pc-f.Entry)] {
			*result = "data"
			continue
		}
		w := window.Window{Class: window.SP, Func: f.Name, Leaf: f.Leaf, Entry: f.Entry, PC: pc, Frame: f.Frame}
		_, why := points.At(pc)
		group.Go(func() (err error) {
			*result, err = run(w, why)
			return err
		})
	}
	require.NoError(t, group.Wait())
	count := make(map[string]int, 4)
	for i, result := range results {
		short, wrong, _ := strings.Cut(result, ": ")
		count[short]++
		if wrong != "" {
			t.Errorf("%s+%#x: %s", f.Name, 4*i, result)
		}
	}
	t.Logf("%s: %d boundaries: %v", f.Name, len(results), count)
	return count
}

// growth returns where the code that calls runtime.morestack begins, at the end of a
// function. If a goroutine is there, its stack is almost full. Then the runtime does not
// preempt it, because asyncPreempt's frame has to fit (runtime/preempt.go,
// isAsyncSafePoint, asyncPreemptStack).
func growth(t *testing.T, g *trial.Guest, f window.Function) uint64 {
	code, err := g.File.Bytes(f.Entry, (f.End-f.Entry)&^3)
	require.NoError(t, err)
	const saveLR = 0xaa1e03e3 // MOVD R30, R3
	for at := len(code) - 4; at >= 0; at -= 4 {
		if binary.LittleEndian.Uint32(code[at:]) == saveLR {
			return f.Entry + uint64(at)
		}
	}
	return f.End
}

// literals returns the offsets of the words in a function's code that are data: constants
// of 32 or 64 bits, which LDR (literal) loads. A pin there would change a constant.
func literals(code []byte) map[int]bool {
	data := map[int]bool{}
	for at := 0; at+4 <= len(code); at += 4 {
		w := binary.LittleEndian.Uint32(code[at:])
		if data[at] || w&0xbf000000 != 0x18000000 && w&0xff000000 != 0x98000000 {
			continue
		}
		to := at + int(int32(w<<8)>>13)*4
		data[to] = true
		if w>>30 == 1 { // 64 bits
			data[to+4] = true
		}
	}
	return data
}

// boundary returns one word for how a pinned run ended, and more if that does not agree
// with the finder.
func boundary(r trial.Run, reported bool, why string) string {
	switch d := r.Death.Window; {
	case r.PinNotReached, r.Outcome == trial.Died && d != nil && d.PC != r.Window.PC:
		return "not reached" // and on the way it may die of another window, as without a pin
	case reported && r.Confirmed():
		return "died"
	case !reported && why == "" && r.Outcome == trial.Survived:
		return "survived"
	case !reported && why != "" && r.Outcome == trial.NotPreemptible:
		return "not preemptible"
	}
	return fmt.Sprintf("wrong: reported as a window: %t; not preemptible: %q; but: %v", reported, why, r)
}
