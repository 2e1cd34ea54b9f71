package trial

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/crash"
	"splitadd/internal/lab"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/lab/process"
	"splitadd/internal/patch"
	"splitadd/internal/pclntab"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// openGuest opens the guest of a toolchain with some words changed.
func openGuest(t *testing.T, path string, words ...patch.Word) *Guest {
	t.Helper()
	engine, err := lab.FindEngine(context.Background(), lab.Choice{})
	require.NoError(t, err)
	if len(words) > 0 {
		changed := filepath.Join(t.TempDir(), "changed")
		require.NoError(t, patch.Copy(path, changed, words...))
		path = changed
	}
	g, err := Open(path, engine)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.Close()) })
	return g
}

// code returns the instructions of a function.
func code(t *testing.T, g *Guest, name string) (words []uint32, entry uint64) {
	t.Helper()
	table, err := pclntab.Open(g.File)
	require.NoError(t, err)
	f, ok := table.Named(name)
	require.True(t, ok, name)
	bytes, err := g.File.Bytes(f.Entry, (f.End-f.Entry)&^3)
	require.NoError(t, err)
	for ; len(bytes) > 0; bytes = bytes[4:] {
		words = append(words, binary.LittleEndian.Uint32(bytes))
	}
	return words, f.Entry
}

// word returns the change that replaces one instruction of a function by another.
func word(t *testing.T, g *Guest, entry uint64, i int, to uint32) patch.Word {
	t.Helper()
	w, err := patch.WordAt(g.File, entry+4*uint64(i), to)
	require.NoError(t, err)
	return w
}

// boundary returns the boundary of a victim before its instruction i.
func boundary(g *Guest, name string, i int) window.Window {
	f := g.Functions[name]
	return window.Window{Func: f.Name, Leaf: f.Leaf, Entry: f.Entry, Frame: f.Frame, PC: f.Entry + 4*uint64(i), Preemptible: true}
}

// spin returns the instruction at which a victim of the ladder loads its object's word
// again and again, and the register that holds the object.
func spin(t *testing.T, g *Guest, name string) (i int, register uint32) {
	t.Helper()
	words, _ := code(t, g, prefix+name)
	for i, w := range words {
		back := int32(w<<8) >> 13 // of CBZ
		if w>>24 != 0xb4 || back >= 0 || i+int(back) < 0 {
			continue
		}
		for at := i - 1; at >= i+int(back); at-- {
			if words[at]>>22 == 0x3e5 && words[at]&31 == w&31 { // MOVD (Rn), Rt
				return at, words[at] >> 5 & 31
			}
		}
	}
	t.Fatalf("%s: no loop that waits", name)
	return 0, 0
}

// TestFramesOfContract compares the stated sizes of frames around 240 bytes with those
// that several releases build.
func TestFramesOfContract(t *testing.T) {
	for _, release := range []string{"go1.18.10", "go1.21.3", "go1.23.4", "go1.24.6", "go1.26.5", "go1.27.4"} {
		if labtest.LeftOut(t, release) {
			continue
		}
		g := openGuest(t, labtest.Guest(t, release))
		for _, c := range victim.Contract() {
			f, ok := g.Functions[c.Func]
			require.True(t, ok, "%s: %s", release, c.Func)
			if c.Frame == 0 {
				continue
			}
			assert.EqualValues(t, c.Frame, f.Frame, "%s: %s", release, c.Func)
			assert.Equal(t, c.Leaf, f.Leaf, "%s: %s", release, c.Func)
		}
	}
}

// TestLadder runs every function of the ladder. Up to go1.26.5, exactly the functions
// that have their object in R30 lose it.
func TestLadder(t *testing.T) {
	for release, affected := range map[string]bool{"go1.18.10": true, "go1.23.4": true, "go1.26.5": true, "go1.26.6": false, "go1.27.4": false} {
		if labtest.LeftOut(t, release) {
			continue
		}
		g := openGuest(t, labtest.Guest(t, release))
		lost := 0
		for _, c := range victim.Contract() {
			if !slices.Contains(c.Clauses, 5) {
				continue
			}
			_, register := spin(t, g, c.Func)
			r, err := g.RunOneVictim(context.Background(), c.Func, "gc", 300*time.Millisecond)
			require.NoError(t, err)
			t.Logf("%s %s: R%d, %v", release, c.Func, register, r)
			if affected && register == 30 {
				lost++
				assert.Equal(t, crash.Freed, r.Death.Kind, "%s %s: %s", release, c.Func, r.Log)
				assert.True(t, r.Harmed())
			} else {
				assert.Equal(t, Survived, r.Outcome, "%s %s: %s", release, c.Func, r.Log)
			}
		}
		assert.Equal(t, affected, lost > 0, release)
	}
}

// TestHoldSound holds victims of each clause at boundaries that are not windows. They go
// on unharmed.
func TestHoldSound(t *testing.T) {
	g := openGuest(t, labtest.Guest(t, "go1.27.4"))
	for name, at := range map[string][]int{
		"leaf4096": {8}, "saveleaf256": {8}, "savenonleaf400": {8}, "copy64": {8, 13}, "floats": {12, 30}, "flags": {3, 6, 10},
		"addConstants": {1, 5}, "farLoads": {1, 2}, "farStores": {1, 2}, "storeGroup": {5}, "storeLoop": {8},
	} {
		for _, i := range labtest.Few(t, 3, at) {
			r, err := g.Hold(context.Background(), name, boundary(g, name, i), "gc")
			require.NoError(t, err)
			assert.Equal(t, Survived, r.Outcome, "%s, instruction %d: %v: %s", name, i, r, r.Log)
			assert.NotZero(t, r.Calls, "%s: it went on", name)
			assert.Contains(t, string(r.Log), "released ")
		}
	}
	files, err := filepath.Glob(filepath.Join(g.dir, "pin-*"))
	require.NoError(t, err)
	assert.Empty(t, files)

	// A hold also works at a return address, the boundary after a call. The
	// middle of a prologue that stores below the stack pointer is an unsafe point.
	words, _ := code(t, g, prefix+"saveleaf256")
	i := slices.Index(words, 0x9100029f) // MOVD R20, RSP
	require.Positive(t, i)
	r, err := g.Hold(context.Background(), "saveleaf256", boundary(g, "saveleaf256", i), "gc")
	require.NoError(t, err)
	assert.Equal(t, NotPreemptible, r.Outcome, "%v: %s", r, r.Log)
}

const (
	noop = 0xd503201f
)

// TestHoldLostPointer holds the victim that has its object in R30.
func TestHoldLostPointer(t *testing.T) {
	for release, want := range map[string]Outcome{"go1.23.4": Died, "go1.26.5": Died, "go1.27.4": Survived} {
		if labtest.LeftOut(t, release) {
			continue
		}
		g := openGuest(t, labtest.Guest(t, release))
		i, register := spin(t, g, "pointer25")
		require.EqualValues(t, 30, register)
		for at := i; at < i+2; at++ { // the load, the branch
			r, err := g.Hold(context.Background(), "pointer25", boundary(g, "pointer25", at), "gc")
			require.NoError(t, err)
			assert.Equal(t, want, r.Outcome, "%s, instruction %d: %v: %s", release, at, r, r.Log)
			if want == Died {
				assert.Equal(t, crash.Freed, r.Death.Kind, "%s", r.Log)
			}
		}
	}
}

// TestHoldLostRegister changes asyncPreempt so that it does not restore some registers.
func TestHoldLostRegister(t *testing.T) {
	path := labtest.Guest(t, "go1.27.4")
	sound := openGuest(t, path)
	words, entry := code(t, sound, "runtime.asyncPreempt")
	integers, vectors := -1, -1
	for i, w := range words {
		switch {
		case w&^(127<<15) == 0xa94003e0|20<<10|19: // LDP n(RSP), (R19, R20)
			integers = i
		case w == 0x4cdf2000: // VLD1.P 64(R0), [V0.B16, V1.B16, V2.B16, V3.B16]
			vectors = i
		}
	}
	require.Positive(t, integers)
	require.Positive(t, vectors)
	for _, c := range []struct {
		name  string
		at    int // an instruction at which the registers are live
		word  patch.Word
		other string // a victim that does not use the registers
		alone int
	}{
		{"pointer25", -1, word(t, sound, entry, integers, noop), "flags", 3},
		// ADD $64, R0: the other vector registers are still restored.
		{"floats", 20, word(t, sound, entry, vectors, 0x91010000), "flags", 3},
		{"copy64", 9, word(t, sound, entry, vectors, 0x91010000), "flags", 3},
	} {
		g := openGuest(t, path, c.word)
		if c.at < 0 {
			c.at, _ = spin(t, g, c.name)
		}
		r, err := g.Hold(context.Background(), c.name, boundary(g, c.name, c.at), "gc")
		require.NoError(t, err)
		assert.Equal(t, crash.Corrupt, r.Death.Kind, "%s: %v: %s", c.name, r, r.Log)
		assert.True(t, r.Harmed())
		r, err = g.Hold(context.Background(), c.other, boundary(g, c.other, c.alone), "gc")
		require.NoError(t, err)
		assert.Equal(t, Survived, r.Outcome, "%s: %v: %s", c.other, r, r.Log)
	}
}

// TestHoldRestart makes a restartable sequence overwrite its input: it uses the base
// register of a store in place of REGTMP.
func TestHoldRestart(t *testing.T) {
	path := labtest.Guest(t, "go1.27.4")
	sound := openGuest(t, path)
	words, entry := code(t, sound, prefix+"farStores")
	var changes []patch.Word
	first := 0
	for i, change := range []struct{ from, to uint32 }{
		{0x9140401b, 0x91404000}, // ADD $(16<<12), R0, R27 -> R0
		{0xf91c4761, 0xf91c4401}, // MOVD R1, 14472(R27) -> (R0)
		{0x9141001b, 0x9140c01b}, // ADD $(64<<12), R0, R27 -> ADD $(48<<12), R0, R27
		{0x9140401b, 0x9140001b}, // ADD $(16<<12), R0, R27 -> ADD $0, R0, R27
	} {
		at := first + slices.Index(words[first:], change.from)
		require.GreaterOrEqual(t, at, first, "%#x", change.from)
		changes = append(changes, word(t, sound, entry, at, change.to))
		if i != 1 {
			first = at + 1
		} else {
			require.Equal(t, first, at)
		}
	}
	store := slices.Index(words, 0xf91c4761)
	g := openGuest(t, path, changes...)
	r, err := g.RunOneVictim(context.Background(), "farStores", "none", 100*time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, Survived, r.Outcome, "it computes the same unless it is preempted there: %v", r)
	r, err = g.Hold(context.Background(), "farStores", boundary(g, "farStores", store), "gc")
	require.NoError(t, err)
	assert.True(t, r.Harmed(), "%v: %s", r, r.Log)
	// Each restart adds to the address. The result is wrong, or the store faults beyond
	// the heap.
	assert.Contains(t, []crash.Kind{crash.Corrupt, crash.OtherGo}, r.Death.Kind, "%s", r.Log)
	r, err = sound.Hold(context.Background(), "farStores", boundary(sound, "farStores", store), "gc")
	require.NoError(t, err)
	assert.Equal(t, Survived, r.Outcome, "%v: %s", r, r.Log)
}

// TestHoldLostSave removes the unsafe point of prologues that store below the stack
// pointer. A preemption of go1.27.4 writes to 16 bytes and the frames of asyncPreempt
// and asyncPreempt2. Values that are stored deeper are not harmed.
func TestHoldLostSave(t *testing.T) {
	path := labtest.Guest(t, "go1.27.4")
	sound := openGuest(t, path)
	for name, want := range map[string]Outcome{"savenonleaf256": Died, "savenonleaf272": Died, "savenonleaf560": Survived} {
		g := openGuest(t, path, unmark(t, sound, prefix+name))
		words, _ := code(t, g, prefix+name)
		i := slices.Index(words, 0x9100029f) // MOVD R20, RSP
		require.Positive(t, i)
		r, err := g.Hold(context.Background(), name, boundary(g, name, i), "gc")
		require.NoError(t, err)
		assert.Equal(t, want, r.Outcome, "%s: %v: %s", name, r, r.Log)
		assert.Equal(t, want == Died, r.Harmed(), "%s: %v", name, r)
		t.Logf("%s: %v", name, r)
	}
}

// TestHoldBarrier removes the unsafe points of functions that overwrite pointers. Held at
// the first boundary after the check of the write barrier, a victim hides an object from
// the collector. A victim with its unsafe points is not preempted there, and one held
// at its return hides nothing.
func TestHoldBarrier(t *testing.T) {
	k, ok := window.KindNamed(string(window.Barrier))
	require.True(t, ok)
	path := labtest.Guest(t, "go1.27.4")
	sound := openGuest(t, path)
	hold := func(g *Guest, name string, w window.Window) Run {
		r, err := g.Hold(context.Background(), name, w, k.Observer)
		require.NoError(t, err)
		return r
	}
	for _, name := range labtest.Few(t, 3, []string{"storeNil", "storePointer", "storeGroup", "storeLoop"}) {
		g := openGuest(t, path, unmark(t, sound, prefix+name))
		windows := slices.DeleteFunc(g.Preemptible(name), func(w window.Window) bool { return w.Kind() != k.Name })
		require.NotEmpty(t, windows, name)
		r := hold(g, name, windows[0])
		assert.Equal(t, crash.Freed, r.Death.Kind, "%s: %v: %s", name, r, r.Log)
		assert.True(t, r.Confirmed())

		r = hold(sound, name, windows[0])
		assert.Equal(t, NotPreemptible, r.Outcome, "%s: %v: %s", name, r, r.Log)
		pc, err := g.LastReturn(name)
		require.NoError(t, err)
		r = hold(g, name, g.windowAt(name, k.Class, pc))
		assert.Equal(t, Survived, r.Outcome, "%s: %v: %s", name, r, r.Log)
	}
}

// TestHoldMissed gives a victim no time to go on while garbage is being marked. The guest
// must not hang, and must say that it may be started again.
func TestHoldMissed(t *testing.T) {
	g := openGuest(t, labtest.Guest(t, "go1.27.4"))
	const name = "storePointer"
	config := victim.Config{
		Victim: name, Observer: "marking", Victims: 1, Procs: 3, Observe: pinObservations, Hold: true, ObserveAfterHold: afterHold,
		MarkingWait: time.Nanosecond,
	}
	r, err := g.runPinned(context.Background(), g.windowAt(name, window.Barrier, g.Functions[name].Entry), config, nil)
	require.NoError(t, err)
	assert.Equal(t, HarnessFailure, r.Outcome, "%s", r.Log)
	assert.True(t, r.again)
	assert.Contains(t, r.Reason, "the victim did not go on while garbage was being marked: within 1ns")
}

// unmark returns the change to the function table that removes a function's unsafe
// points: its record (runtime/runtime2.go, _func) then does not point to a table of
// them.
func unmark(t *testing.T, g *Guest, name string) patch.Word {
	t.Helper()
	const start, npcdata, size = 0, 28, 44
	_, entry := code(t, g, name)
	table, err := pclntab.Open(g.File)
	require.NoError(t, err)
	first, err := table.Func(0)
	require.NoError(t, err)
	text := first.Entry
	data := g.File.Contents()
	var found []int
	for at := 0; at+size+4 <= len(data); at += 4 {
		if binary.LittleEndian.Uint32(data[at+start:]) != uint32(entry-text) {
			continue
		}
		// args, 16 bytes of them, and the number of tables.
		if n := binary.LittleEndian.Uint32(data[at+npcdata:]); n > 0 && n < 6 && binary.LittleEndian.Uint32(data[at+8:]) < 64 {
			found = append(found, at)
		}
	}
	require.Len(t, found, 1, name)
	return patch.Word{Offset: int64(found[0] + size), Before: binary.LittleEndian.Uint32(data[found[0]+size:])}
}

// TestJudgeHold states the outcomes that only a held guest has.
func TestJudgeHold(t *testing.T) {
	held := strings.ReplaceAll(ended, " end ", " held ") + "splitadd guest: released 0x1094\n"
	for _, c := range []struct {
		name    string
		output  string
		killed  bool
		outcome Outcome
	}{
		{"went on", held + "splitadd guest: end 20 calls 7 seconds 0.100\n", false, Survived},
		{"never got there", called, false, HarnessFailure},
		{"did not go on", held + "splitadd guest: observed 20 calls 0 seconds 9.000\n", true, HarnessFailure},
		{"hangs", partial, true, HarnessFailure},
		{"not preemptible", partial + refused, false, NotPreemptible},
		{"freed", held + "splitadd guest: object freed in use: f\n", false, Died},
	} {
		r := Run{Pinned: true, Held: true}
		result := process.Result{Output: []byte(c.output), End: process.Exited}
		switch {
		case c.killed:
			result.End = process.Deadline
		case c.outcome == Died:
			result.Code = victim.ExitFreed
		case c.outcome == NotPreemptible:
			result.Code = victim.ExitNotPreemptible
		}
		r.judge(result, nil)
		assert.Equal(t, c.outcome, r.Outcome, "%s: %v", c.name, r)
	}
}
