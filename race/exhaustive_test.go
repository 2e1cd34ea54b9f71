package race

import (
	"encoding/binary"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"splitadd/internal/lab"
	"splitadd/internal/pclntab"
	"splitadd/internal/trial"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

var exhaustive = flag.String("exhaustive", "", "pin every boundary of every victim of these toolchains, separated by commas")

// exhaustiveBounds are for thousands of runs. An observation by all observers takes
// about 50 ms.
var exhaustiveBounds = trial.Bounds{Observations: 3, Stall: 2 * time.Second, Deadline: time.Minute}

// TestSplitADDExhaustive pins victims at every instruction boundary of their
// functions, under all observers in turn, and compares what happens with what the
// finder says. At a window in which the runtime preempts, the victim dies of the
// window. At a boundary without a window, it lives. At a boundary where the runtime
// does not preempt, no observation ever completes.
//
// Without -exhaustive it pins a leaf and a non-leaf function of this Go.
func TestSplitADDExhaustive(t *testing.T) {
	if *exhaustive == "" {
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
			for _, c := range victim.Cases() {
				t.Run(c.Func, func(t *testing.T) { everyBoundary(t, g, c.Func) })
			}
		})
	}
}

func everyBoundary(t *testing.T, g *trial.Guest, name string) {
	table, err := pclntab.Open(g.File)
	require.NoError(t, err)
	f := g.Functions[name]
	fn, ok := table.Find(f.Entry)
	require.True(t, ok)
	points, err := fn.SafePoints()
	require.NoError(t, err)
	pcsp, err := fn.PCSP()
	require.NoError(t, err)
	end := pcsp[len(pcsp)-1].End // what follows is padding

	code, err := g.File.Bytes(f.Entry, end-f.Entry)
	require.NoError(t, err)
	data := literals(code)

	count := make(map[string]int, 4)
	results := make([]string, (end-f.Entry)/4)
	var group errgroup.Group
	group.SetLimit(2)
	for pc := f.Entry; pc < end; pc += 4 {
		if data[int(pc-f.Entry)] {
			results[(pc-f.Entry)/4] = "data"
			continue
		}
		w := window.Window{Class: window.SP, Func: f.Name, Leaf: f.Leaf, Entry: f.Entry, PC: pc, Frame: f.Frame}
		reported := slices.IndexFunc(f.Windows, func(x window.Window) bool { return x.PC == pc && x.Preemptible })
		if reported >= 0 {
			w = f.Windows[reported]
		}
		_, why := points.At(pc)
		group.Go(func() error {
			pin := func() (trial.Run, error) { return g.PinBounded(ctx, name, w, "all", exhaustiveBounds) }
			r, err := trial.RerunUnattributed(pin, func(trial.Run) {})
			if err != nil {
				return err
			}
			results[(pc-f.Entry)/4] = boundary(r, reported >= 0, why)
			return nil
		})
	}
	require.NoError(t, group.Wait())
	for i, result := range results {
		short, wrong, _ := strings.Cut(result, ": ")
		count[short]++
		if wrong != "" {
			t.Errorf("%s+%#x: %s", name, 4*i, result)
		}
	}
	t.Logf("%s: %d boundaries: %v", name, len(results), count)
}

// literals returns the offsets of the words in a function's code that are data:
// constants that LDR (literal) loads, 32 or 64 bits. A pin there would change a
// constant.
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

// boundary says in a word how a pinned run ended. If that does not agree with the
// finder, it says more.
func boundary(r trial.Run, reported bool, why string) string {
	switch {
	case r.Missed:
		return "not reached"
	case reported && r.Confirmed():
		return "died"
	case !reported && why == "" && r.Outcome == trial.Survived:
		return "survived"
	case !reported && why != "" && r.Outcome == trial.NotPreemptible:
		return "not preemptible"
	}
	return fmt.Sprintf("wrong: reported as a window: %t; not preemptible: %q; but: %v", reported, why, r)
}
