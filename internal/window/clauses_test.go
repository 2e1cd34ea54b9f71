package window_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/arm64"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/objfile"
	"splitadd/internal/patch"
	"splitadd/internal/pclntab"
	"splitadd/internal/window"
)

// kinds returns how many preemptible windows of each kind a file has.
func kinds(t *testing.T, path string) map[string]int {
	f, err := objfile.Open(path)
	require.NoError(t, err)
	defer f.Close()
	finder, err := window.Open(f)
	require.NoError(t, err)
	windows, err := finder.Find()
	require.NoError(t, err)
	require.Empty(t, finder.UncheckedFunctions())
	count := map[string]int{}
	for _, w := range windows {
		count[w.Kind()]++
		if k, ok := window.KindNamed(w.Kind()); assert.True(t, ok, w.Kind()) && k.Clause > 2 {
			assert.NotEmpty(t, w.Detail, "%v", w)
		}
	}
	return count
}

// A stretch is a run of instructions of one function.
type stretch struct {
	fn     pclntab.Func
	points *pclntab.SafePoints
	pc     uint64
	words  []uint32
}

// preemptible reports whether the runtime may preempt before every instruction of the
// stretch except the first, and the goroutine goes on at the same instruction.
func (s stretch) preemptible() bool {
	for i := range s.words[1:] {
		pc := s.pc + uint64(4*(i+1))
		if resume, why := s.points.At(pc); why != "" || resume != pc {
			return false
		}
	}
	return true
}

// find returns the first run of n instructions of the guest's own functions for
// which a test holds.
func find(t *testing.T, f *objfile.File, n int, test func(s stretch) bool) stretch {
	table, err := pclntab.Open(f)
	require.NoError(t, err)
	for i := range table.Len() {
		fn, err := table.Func(i)
		require.NoError(t, err)
		if fn.Assembly() || strings.HasPrefix(fn.Name(), "runtime") {
			continue
		}
		points, err := fn.SafePoints()
		require.NoError(t, err)
		code, err := f.Bytes(fn.Entry, fn.End-fn.Entry)
		require.NoError(t, err)
		var words []uint32
		for ; len(code) >= 4; code = code[4:] {
			words = append(words, binary.LittleEndian.Uint32(code))
		}
		for k := 0; k+n <= len(words); k++ {
			s := stretch{fn, &points, fn.Entry + uint64(4*k), words[k : k+n]}
			if test(s) {
				return s
			}
		}
	}
	require.Fail(t, "no such instructions")
	return stretch{}
}

// patched returns a copy of a guest with other words at an address.
func patched(t *testing.T, f *objfile.File, pc uint64, words ...uint32) string {
	out := filepath.Join(t.TempDir(), "patched")
	var changes []patch.Replacement
	for i, w := range words {
		change, err := patch.NewReplacement(f, pc+uint64(4*i), w)
		require.NoError(t, err)
		changes = append(changes, change)
	}
	require.NoError(t, patch.Copy(f.Path, out, changes...))
	return out
}

// plain reports whether a test may overwrite a word: it is not a branch or a store, and
// does not write R27 to R30 or the stack pointer.
func plain(w uint32) bool {
	e, ok := arm64.Decode(w)
	return ok && e.Jump.Kind == arm64.JumpNone && e.Writes>>27 == 0 && !e.Mem.Store
}

// TestSound finds exactly the windows that releases are known to have.
func TestSound(t *testing.T) {
	for release, want := range map[string][]string{
		"go1.23.4": {"leaf FP", "leaf SP", "non-leaf SP"},
		"go1.26.5": {"leaf FP", "leaf SP"},
		"go1.27.4": {"leaf FP", "leaf SP"},
	} {
		if labtest.LeftOut(t, release) {
			continue
		}
		t.Run(release, func(t *testing.T) {
			var got []string
			for kind := range kinds(t, labtest.Guest(t, release)) {
				if kind != string(window.Pointer) {
					got = append(got, kind)
				}
			}
			slices.Sort(got)
			assert.Equal(t, want, got)
		})
	}
}

// TestSaves overwrites three instructions with a store below the stack pointer,
// a no-op and a load of the same place.
func TestSaves(t *testing.T) {
	f := labtest.Open(t, "go1.27.4")
	s := find(t, f, 3, func(s stretch) bool {
		return s.preemptible() && plain(s.words[0]) && plain(s.words[1]) && plain(s.words[2])
	})
	const store, load = 0xf81c03e1, 0xf85c03e1 // MOVD R1, -64(RSP) and back
	assert.Equal(t, 2, kinds(t, patched(t, f, s.pc, store, arm64.Nop, load))["lost save"])
	const spared, reload = 0xf81f83e1, 0xf85f83e1 // at -8 nothing is overwritten
	assert.Zero(t, kinds(t, patched(t, f, s.pc, spared, arm64.Nop, reload))["lost save"])
}

// TestRegisters removes loads from asyncPreempt: of two general registers, of the
// condition flags, and of vector registers or of their upper halves.
func TestRegisters(t *testing.T) {
	for _, release := range []string{"go1.23.4", "go1.27.4"} {
		f := labtest.Open(t, release)
		table, err := pclntab.Open(f)
		require.NoError(t, err)
		fn, ok := table.LookupFunc("runtime.asyncPreempt")
		require.True(t, ok)
		code, err := f.Bytes(fn.Entry, fn.End-fn.Entry)
		require.NoError(t, err)
		general, flags, vector := -1, -1, -1
		for at := 0; at < len(code); at += 4 {
			w := binary.LittleEndian.Uint32(code[at:])
			switch e, _ := arm64.Decode(w); {
			case e.Mem.Load && e.Mem.N == 2 && e.Mem.Regs[0] == 0 && !e.Mem.Vector:
				general = at
			case e.Mem.Load && e.Mem.Vector && e.Mem.Regs[0] == 0:
				vector = at
			case w&^31 == 0xd51b4200: // MSR NZCV
				flags = at
			}
		}
		for what, at := range map[string]int{"R0": general, "flags": flags, "V0": vector} {
			require.Positive(t, at, what)
			with := arm64.Nop
			if w := binary.LittleEndian.Uint32(code[at:]); what == "V0" && release == "go1.27.4" {
				with = w &^ (1 << 30) // the same structure of 8 bytes each
			}
			assert.Positive(t, kinds(t, patched(t, f, fn.Entry+uint64(at), with))["lost register"], "%s, %s", release, what)
		}
	}
}

// TestRestart replaces the first instruction of a restartable sequence by one that
// overwrites its own input.
func TestRestart(t *testing.T) {
	f := labtest.Open(t, "go1.27.4")
	s := find(t, f, 2, func(s stretch) bool {
		resume, why := s.points.At(s.pc + 4)
		return why == "" && resume == s.pc && s.words[0]&31 == arm64.R27
	})
	const increment = 0x91000400 | 5<<5 | 5 // ADD $1, R5
	assert.Equal(t, map[string]int{"restart": 1}, diff(kinds(t, f.Path), kinds(t, patched(t, f, s.pc, increment))))
	const zero = 0xd2800005 // MOVD $0, R5
	assert.Empty(t, diff(kinds(t, f.Path), kinds(t, patched(t, f, s.pc, zero))))
}

// diff returns how many more of each kind b has than a. It leaves out lost registers:
// the patched sequences use R27 without having set it.
func diff(a, b map[string]int) map[string]int {
	more := map[string]int{}
	for kind, n := range b {
		if n != a[kind] && kind != string(window.Register) {
			more[kind] = n - a[kind]
		}
	}
	return more
}

// TestBarrier builds the program of golang/go#61958.
func TestBarrier(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module m\n\ngo 1.18\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(`package main

var g *int

func main() {
	g = nil
	println(g == nil)
}
`), 0o644))
	labtest.Long(t, "go1.21.0 and go1.21.1")
	for release, want := range map[string]int{"go1.21.0": 1, "go1.21.1": 0} {
		out := labtest.Build(t, dir, ".", []string{"GOTOOLCHAIN=" + release}, "-gcflags=all=-N")
		assert.Equal(t, want, kinds(t, out)["barrier"], release)
		plain := labtest.Build(t, dir, ".", []string{"GOTOOLCHAIN=" + release})
		assert.Zero(t, kinds(t, plain)["barrier"], release)
	}
}
