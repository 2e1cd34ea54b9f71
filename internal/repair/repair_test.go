package repair

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"debug/elf"
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/arm64"
	"splitadd/internal/lab"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/objfile"
	"splitadd/internal/trial"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

var raceFor = flag.Duration("race-for", 3*time.Second, "how long a repaired victim is raced")

// debugInfo reads what a debugger, and go version -m, would.
func debugInfo(t *testing.T, path string) {
	f, err := elf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	data, err := f.DWARF()
	require.NoError(t, err)
	entry, err := data.Reader().Next()
	require.NoError(t, err)
	assert.NotNil(t, entry)
	info, err := buildinfo.ReadFile(path)
	require.NoError(t, err)
	assert.NotEmpty(t, info.GoVersion)
}

// TestRepair repairs the victims of releases: the copy differs from the binary in
// the words that are listed, has no window, waits at each old one without harm
// under every observer, computes what the binary does, and is raced where the
// binary dies within a second.
func TestRepair(t *testing.T) {
	ctx := context.Background()
	e, err := lab.FindEngine(ctx, lab.Choice{Name: "user"})
	require.NoError(t, err)
	releases := []string{"go1.23.4", "go1.27.4"}
	if *withStd {
		releases = append(releases, "go1.18.10")
	}
	for _, release := range releases {
		t.Run(release, func(t *testing.T) {
			f := labtest.Open(t, release)
			plan, err := Of(f)
			require.NoError(t, err)
			assert.Empty(t, plan.Left)
			require.NotEmpty(t, plan.Changes)
			out := filepath.Join(t.TempDir(), "repaired")
			require.NoError(t, plan.Write(out))
			differs(t, f.Path, out, plan)
			debugInfo(t, out)

			original, err := trial.Open(f.Path, e)
			require.NoError(t, err)
			defer original.Close()
			repaired, err := trial.Open(out, e)
			require.NoError(t, err)
			defer repaired.Close()
			assert.Empty(t, repaired.Elsewhere())
			for _, c := range victim.Cases() {
				assert.Empty(t, repaired.Preemptible(c.Func), c.Func)
				observers := []string{"gc", "trace"}
				if c.Func == "leaf65552" {
					observers = victim.Observers
				}
				if len(original.Preemptible(c.Func)) > 0 { // a victim knows what it has to compute
					r, err := repaired.Race(ctx, c.Func, window.SP, "gc", trial.Fast, 200*time.Millisecond)
					require.NoError(t, err)
					assert.Equal(t, trial.Survived, r.Outcome, "%s: %v", c.Func, r)
				}
				for _, w := range original.Preemptible(c.Func) {
					for _, observer := range observers {
						r, err := repaired.PinBounded(ctx, c.Func, w, observer, trial.Bounds{Observations: 6, Stall: 10 * time.Second, Deadline: time.Minute})
						require.NoError(t, err)
						assert.Equal(t, trial.Survived, r.Outcome, "%s under %s: %v", w, observer, r)
					}
				}
			}
			for _, w := range []window.Class{window.SP, window.FP} {
				name := map[window.Class]string{window.SP: "leaf65552", window.FP: "leaf69632"}[w]
				r, err := repaired.Race(ctx, name, w, trial.Observer(w), trial.Fast, *raceFor)
				require.NoError(t, err)
				assert.Equal(t, trial.Survived, r.Outcome, "%v", r)
				t.Logf("%s as repaired: %v", name, r)
			}
		})
	}
}

// differs compares a file with its repaired copy, byte by byte.
func differs(t *testing.T, from, to string, plan *Plan) {
	before, err := os.ReadFile(from)
	require.NoError(t, err)
	after, err := os.ReadFile(to)
	require.NoError(t, err)
	words, err := plan.Words()
	require.NoError(t, err)
	require.Len(t, words, 2*len(plan.Changes))
	for _, w := range words {
		assert.Equal(t, w.Before, binary.LittleEndian.Uint32(before[w.Offset:]))
		assert.Equal(t, w.Word.Word, binary.LittleEndian.Uint32(after[w.Offset:]))
		copy(after[w.Offset:], before[w.Offset:w.Offset+4])
	}
	assert.True(t, bytes.Equal(before, after), "something else was changed")
	was, err := os.Stat(from)
	require.NoError(t, err)
	is, err := os.Stat(to)
	require.NoError(t, err)
	assert.Equal(t, was.Mode(), is.Mode())
}

// A machine is what a pair can see: registers, with the stack pointer as 31.
type machine [32]uint64

// run executes additions of an immediate, and nothing else.
func (m *machine) run(t *testing.T, words ...uint32) {
	for _, w := range words {
		rd, rn, n, ok := arm64.AddImmediate(w)
		require.True(t, ok, "%08x", w)
		m[rd] = m[rn] + uint64(n)
	}
}

// TestSame executes pairs of any frame size, as they are and as they are
// repaired, with any registers: all but the scratch register come out the same,
// and after the first word nothing but that has changed.
func TestSame(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 100000 {
		low, high := random.Uint32N(1<<12), 1+random.Uint32N(1<<12-1)
		for _, to := range []uint32{arm64.SP, arm64.FP} {
			before := [2]uint32{0x91000000 | low<<10 | 31<<5 | to, 0x91400000 | high<<10 | to<<5 | to}
			code := make([]byte, 12)
			binary.LittleEndian.PutUint32(code, before[0])
			binary.LittleEndian.PutUint32(code[4:], before[1])
			after := repaired(before)
			var was machine
			for i := range was {
				was[i] = random.Uint64()
			}
			want, got := was, was
			want.run(t, before[:]...)
			got.run(t, after[0])
			partial := got
			got.run(t, after[1])
			partial[Scratch], was[Scratch] = 0, 0
			require.Equal(t, was, partial, "a partial state")
			want[Scratch], got[Scratch] = 0, 0
			require.Equal(t, want, got)
		}
	}
}

// TestLeft leaves what cannot be proved.
func TestLeft(t *testing.T) {
	const (
		ret, nop   = arm64.Ret, 0xd503201f
		useR16     = 0x8b1003e0 // ADD R16, ZR, R0
		branch     = 0x14000002
		first, add = 0x910043ff, 0x914043ff // ADD $16, RSP, RSP; ADD $(16<<12), RSP, RSP
	)
	code := func(words ...uint32) (b []byte) {
		for _, w := range words {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		return b
	}
	assert.True(t, dead(code(ret)))
	assert.True(t, dead(code(first, add, nop, ret, useR16)))
	for name, words := range map[string][]uint32{
		"nothing": {}, "used": {useR16, ret}, "a branch": {branch, ret}, "no return": {nop, nop},
	} {
		assert.False(t, dead(code(words...)), name)
	}

	const (
		store, load = 0xa908c7f0, 0xa948c7f0 // STP, LDP (R16, R17), 136(RSP)
		call        = 0x94000010
		other       = 0xf90047e0 // MOVD R0, 136(RSP)
		write       = 0xd2800010 // MOVZ $0, R16
		pop         = 0x910043ff
	)
	assert.True(t, saved(code(store, call, load, ret)))
	assert.True(t, saved(code(nop, store, write, call, nop, load, pop, ret)))
	for name, words := range map[string][]uint32{
		"nothing": {call, ret}, "not stored": {call, load, ret}, "not loaded": {store, call, ret}, "no call": {store, load, ret},
		"overwritten": {store, other, call, load, ret}, "written before": {write, store, call, load, ret}, "written after": {store, call, load, write, ret},
		"another slot": {store, call, pop, load, ret}, "two calls": {store, call, call, load, ret}, "a branch": {store, branch, call, load, ret}, "no end": {store, call, load},
	} {
		assert.False(t, saved(code(words...)), name)
	}
}

// TestReached leaves a window whose second word is led to by something else.
func TestReached(t *testing.T) {
	f := labtest.Open(t, "go1.27.4")
	plan, err := Of(f)
	require.NoError(t, err)
	w := plan.Changes[0]
	data, err := os.ReadFile(f.Path)
	require.NoError(t, err)
	for name, change := range map[string]func(f *objfile.File, data []byte){
		"a branch": func(f *objfile.File, data []byte) { // at the function's entry
			at, err := f.Offset(w.Entry, 4)
			require.NoError(t, err)
			binary.LittleEndian.PutUint32(data[at:], 0x14000000|uint32(w.Offset()/4))
		},
		"a table": func(f *objfile.File, data []byte) { // in the last segment that is written to
			for _, s := range f.Segments {
				if s.Write && len(s.Data) > 4096 {
					binary.LittleEndian.PutUint64(data[s.Offset+4088-int64((s.Addr+4088)%8):], w.PC)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			changed := bytes.Clone(data)
			change(f, changed)
			g, err := objfile.Parse("changed", changed)
			require.NoError(t, err)
			reasons := reached(g, []window.Window{w.Window})
			assert.Contains(t, reasons[w.PC], "leads to its middle")
			assert.Empty(t, reached(f, []window.Window{w.Window}))
		})
	}
}

func TestSameFile(t *testing.T) {
	f := labtest.Open(t, "go1.27.4")
	plan, err := Of(f)
	require.NoError(t, err)
	require.ErrorIs(t, plan.Write(f.Path), ErrSame)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(f.Path, link))
	require.ErrorIs(t, plan.Write(link), ErrSame)
	require.ErrorIs(t, plan.Write(filepath.Join(t.TempDir(), "none", "out")), os.ErrNotExist)
	left, err := os.ReadDir(filepath.Dir(f.Path))
	require.NoError(t, err)
	assert.Len(t, left, 1)
}
