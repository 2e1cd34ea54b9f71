package window_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"splitadd/internal/arm64"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/objfile"
	"splitadd/internal/pclntab"
	"splitadd/internal/window"
	"splitadd/internal/window/windowtest"
)

// A subject is a binary in memory whose code can be changed.
type subject struct {
	image  []byte
	file   *objfile.File
	table  *pclntab.Table
	finder *window.Finder

	writesBelow uint64 // bytes under the stack pointer that a preemption writes to
}

func newSubject(t *testing.T, release string) *subject {
	image, err := os.ReadFile(labtest.Guest(t, release))
	require.NoError(t, err)
	file, err := objfile.Parse(release, image)
	require.NoError(t, err)
	file.Budget = nil // the budget allows one look at each function; a thousand mutants have many windows
	table, err := pclntab.Open(file)
	require.NoError(t, err)
	finder, err := window.Open(file)
	require.NoError(t, err)
	return &subject{image, file, table, finder, windowtest.PreemptionWrites(table)}
}

// word returns the bytes of an instruction, to be changed in place.
func (s *subject) word(t *testing.T, pc uint64) []byte {
	offset, err := s.file.Offset(pc, 4)
	require.NoError(t, err)
	return s.image[offset : offset+4]
}

// found returns what the finder finds in a function.
func (s *subject) found(t *testing.T, fn pclntab.Func) map[windowtest.Point]bool {
	found := map[windowtest.Point]bool{}
	windows, err := s.finder.FindInFunction(fn.Entry)
	require.NoError(t, err)
	for _, w := range windows {
		if w.Class == window.SP || w.Class == window.FP { // of the others the oracle knows nothing
			found[windowtest.Point{Class: w.Class, PC: w.PC}] = true
		}
	}
	return found
}

// TestOracle compares finder and oracle on every function of an unmodified guest. The
// guest of go1.21.3 has many stale frame pointers.
func TestOracle(t *testing.T) {
	for _, release := range []string{"go1.18.10", "go1.21.3", "go1.23.4", "go1.27.4"} {
		if labtest.LeftOut(t, release) {
			continue
		}
		t.Run(release, func(t *testing.T) {
			s := newSubject(t, release)
			windows := 0
			for i := range s.table.Len() {
				fn, err := s.table.Func(i)
				require.NoError(t, err)
				if fn.Assembly() {
					continue
				}
				code, err := s.file.Bytes(fn.Entry, fn.End-fn.Entry)
				require.NoError(t, err)
				want, _ := windowtest.Interpret(fn, code, s.finder.UnwindsFP, s.writesBelow)
				require.Equal(t, want, s.found(t, fn), fn.Name())
				windows += len(want)
			}
			require.Positive(t, windows)
		})
	}
}

// TestMutants makes a thousand mutants of each binary. Each changes one instruction that
// writes the stack or the frame pointer: it flips a bit, swaps the instruction with its
// neighbour, or deletes it. The finder must report exactly what the oracle sees.
func TestMutants(t *testing.T) {
	for _, release := range []string{"go1.18.10", "go1.23.4", "go1.27.4"} {
		if labtest.LeftOut(t, release) {
			continue
		}
		t.Run(release, func(t *testing.T) { mutants(t, newSubject(t, release)) })
	}
}

// seed draws other mutants.
var seed = flag.Uint64("seed", 9, "seed of the mutants")

// A site is an instruction to change.
type site struct {
	fn pclntab.Func
	pc uint64
}

func mutants(t *testing.T, s *subject) {
	var sites []site
	for i := range s.table.Len() {
		fn, err := s.table.Func(i)
		require.NoError(t, err)
		if fn.Assembly() || fn.End-fn.Entry > 16<<10 || len(s.found(t, fn)) > 0 {
			continue
		}
		points, err := fn.SafePoints()
		require.NoError(t, err)
		preempted := false
		for pc := fn.Entry; pc < fn.End && !preempted; pc += 4 {
			_, why := points.At(pc)
			preempted = why == ""
		}
		for pc := fn.Entry; pc < fn.End && preempted; pc += 4 {
			if w := arm64.Writes(binary.LittleEndian.Uint32(s.word(t, pc))); w.Has(arm64.SP) || w.Has(arm64.FP) {
				sites = append(sites, site{fn, pc})
			}
		}
	}
	random := rand.New(rand.NewPCG(*seed, 10))
	caught, harmless := 0, 0
	for caught+harmless < 1000 {
		at := sites[random.IntN(len(sites))]
		undo, how := s.mutate(t, random, at)
		code, err := s.file.Bytes(at.fn.Entry, at.fn.End-at.fn.Entry)
		require.NoError(t, err)
		want, ok := windowtest.Interpret(at.fn, code, s.finder.UnwindsFP, s.writesBelow)
		if ok {
			got := s.found(t, at.fn)
			if !equal(want, got) {
				t.Errorf("%s of %08x at %#x in %s: finder and oracle differ\nfinder: %v\noracle: %v", how, undo, at.pc, at.fn.Name(), sorted(got), sorted(want))
			}
			if len(want) > 0 {
				caught++
			} else {
				harmless++
			}
		}
		copy(s.word(t, at.pc), undo[:4])
		copy(s.word(t, at.pc+4), undo[4:])
		if t.Failed() {
			return
		}
	}
	t.Logf("%d mutants with windows, %d without, all told apart", caught, harmless)
	require.Greater(t, caught, 300)
	require.Greater(t, harmless, 300)
}

// mutate changes an instruction, and returns what it and the next were.
func (s *subject) mutate(t *testing.T, random *rand.Rand, at site) (undo []byte, how string) {
	word, next := s.word(t, at.pc), s.word(t, at.pc+4)
	undo = slices.Concat(word, next)
	switch random.IntN(3) {
	case 0:
		bit := random.IntN(32)
		word[bit/8] ^= 1 << (bit % 8)
		return undo, fmt.Sprintf("flip of bit %d", bit)
	case 1:
		copy(word, undo[4:])
		copy(next, undo[:4])
		return undo, "swap"
	}
	binary.LittleEndian.PutUint32(word, arm64.Nop)
	return undo, "deletion"
}

func equal(a, b map[windowtest.Point]bool) bool {
	for p := range a {
		if !b[p] {
			return false
		}
	}
	return len(a) == len(b)
}

func sorted(points map[windowtest.Point]bool) (list []string) {
	for p := range points {
		list = append(list, fmt.Sprintf("%s %#x", p.Class, p.PC))
	}
	slices.Sort(list)
	return list
}
