package patch_test

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"debug/elf"
	"encoding/binary"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/objfile"
	"splitadd/internal/output"
	"splitadd/internal/patch"
	"splitadd/internal/trial"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

var stressFor = flag.Duration("stress-for", 3*time.Second, "how long a stress run of a repaired victim lasts")

// debugInfo reads the DWARF information and the build information, as debuggers and
// go version -m do.
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

// TestRepair repairs the victims of several releases. The copy must differ from the binary only
// in the words of the plan, and have no window. Pinned at each former window it must survive
// each observer. Victims must compute the same results, and survive a stress run in which
// the original dies within a second.
func TestRepair(t *testing.T) {
	ctx := context.Background()
	e, err := lab.FindEngine(ctx, lab.Choice{Name: "user"})
	require.NoError(t, err)
	releases := []string{"go1.23.4", "go1.27.4"}
	if *withStandardLibrary {
		releases = append(releases, "go1.18.10")
	}
	for _, release := range labtest.Few(t, 2, releases) {
		t.Run(release, func(t *testing.T) {
			f := labtest.Open(t, release)
			plan, err := patch.NewPlan(f)
			require.NoError(t, err)
			assert.Empty(t, plan.Unrepaired)
			require.NotEmpty(t, plan.Repaired)
			out := filepath.Join(t.TempDir(), "repaired")
			require.NoError(t, plan.Write(out))
			requireOnlyReplaced(t, f.Path, out, plan)
			debugInfo(t, out)

			original, err := trial.Open(f.Path, e)
			require.NoError(t, err)
			defer original.Close()
			repaired, err := trial.Open(out, e)
			require.NoError(t, err)
			defer repaired.Close()
			assert.Empty(t, repaired.WindowsNotRun())
			for _, c := range labtest.Few(t, 3, victim.Cases()) {
				assert.Empty(t, repaired.Preemptible(c.Func), c.Func)
				observers := []string{"gc", "trace"}
				if c.Func == "leaf65552" && !testing.Short() {
					observers = victim.Observers
				}
				if len(original.Preemptible(c.Func)) > 0 { // the victim checks what it computes
					r, err := repaired.Stress(ctx, c.Func, window.SP, "gc", trial.DefaultStress, 200*time.Millisecond)
					require.NoError(t, err)
					assert.Equal(t, trial.Survived, r.Outcome, "%s: %v", c.Func, r)
				}
				for _, w := range labtest.Few(t, 3, original.Preemptible(c.Func)) {
					for _, observer := range observers {
						r, err := repaired.PinObserved(ctx, c.Func, w, observer, 6)
						require.NoError(t, err)
						assert.Equal(t, trial.Survived, r.Outcome, "%s under %s: %v", w, observer, r)
					}
				}
			}
			for _, w := range []window.Class{window.SP, window.FP} {
				name := map[window.Class]string{window.SP: "leaf65552", window.FP: "leaf69632"}[w]
				r, err := repaired.Stress(ctx, name, w, trial.Observer(w), trial.DefaultStress, *stressFor)
				require.NoError(t, err)
				assert.Equal(t, trial.Survived, r.Outcome, "%v", r)
				t.Logf("%s as repaired: %v", name, r)
			}
		})
	}
}

// requireOnlyReplaced requires that a file and its repaired copy differ only in the words that
// the plan replaces.
func requireOnlyReplaced(t *testing.T, from, to string, plan *patch.Plan) {
	before, err := os.ReadFile(from)
	require.NoError(t, err)
	after, err := os.ReadFile(to)
	require.NoError(t, err)
	words, err := plan.Replacements()
	require.NoError(t, err)
	require.Len(t, words, 2*len(plan.Repaired))
	for _, w := range words {
		assert.Equal(t, w.Before, binary.LittleEndian.Uint32(before[w.Offset:]))
		assert.Equal(t, w.After, binary.LittleEndian.Uint32(after[w.Offset:]))
		copy(after[w.Offset:], before[w.Offset:w.Offset+4])
	}
	assert.True(t, bytes.Equal(before, after), "something else was changed")
	was, err := os.Stat(from)
	require.NoError(t, err)
	is, err := os.Stat(to)
	require.NoError(t, err)
	assert.Equal(t, was.Mode(), is.Mode())
}

// TestBranchTargets tests that a window is not closed if a branch or a word of the file leads to
// the second instruction of its pair.
func TestBranchTargets(t *testing.T) {
	f := labtest.Open(t, "go1.27.4")
	plan, err := patch.NewPlan(f)
	require.NoError(t, err)
	w := plan.Repaired[0]
	data, err := os.ReadFile(f.Path)
	require.NoError(t, err)
	for name, change := range map[string]func(f *objfile.File, data []byte){
		"a branch": func(f *objfile.File, data []byte) { // at another function's entry
			from := plan.Repaired[len(plan.Repaired)-1].Entry
			require.NotEqual(t, w.Entry, from)
			at, err := f.Offset(from, 4)
			require.NoError(t, err)
			binary.LittleEndian.PutUint32(data[at:], 0x14000000|uint32(w.PC-from)/4&0x3ffffff)
		},
		"a table": func(f *objfile.File, data []byte) { // in the last writable segment
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
			plan, err := patch.NewPlan(g)
			require.NoError(t, err)
			i := slices.IndexFunc(plan.Unrepaired, func(u patch.UnrepairedWindow) bool { return u.PC == w.PC })
			require.GreaterOrEqual(t, i, 0)
			assert.Contains(t, plan.Unrepaired[i].Reason, "leads to its middle")
		})
	}
}

func TestSameFile(t *testing.T) {
	f := labtest.Open(t, "go1.27.4")
	plan, err := patch.NewPlan(f)
	require.NoError(t, err)
	require.ErrorIs(t, plan.Write(f.Path), output.ErrInput)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(f.Path, link))
	require.ErrorIs(t, plan.Write(link), output.ErrInput)
	require.ErrorIs(t, plan.Write(filepath.Join(t.TempDir(), "none", "out")), os.ErrNotExist)
	left, err := os.ReadDir(filepath.Dir(f.Path))
	require.NoError(t, err)
	assert.Len(t, left, 1)
}

// TestFileChanged changes the binary between the plan and the copy. If another file has its
// name, the planned file must be copied. If the contents have changed, that is an error.
func TestFileChanged(t *testing.T) {
	f := labtest.Open(t, "go1.27.4")
	before, err := os.ReadFile(f.Path)
	require.NoError(t, err)
	plan, err := patch.NewPlan(f)
	require.NoError(t, err)
	words, err := plan.Replacements()
	require.NoError(t, err)

	moved, out := f.Path+".moved", filepath.Join(t.TempDir(), "out")
	require.NoError(t, os.Rename(f.Path, moved))
	require.NoError(t, os.WriteFile(f.Path, []byte("another"), 0o600))
	require.NoError(t, plan.Write(out))
	requireOnlyReplaced(t, moved, out, plan)

	require.NoError(t, os.Remove(out))
	file, err := os.OpenFile(moved, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer file.Close()
	_, err = file.WriteAt(before[words[1].Offset:][:4], words[0].Offset)
	require.NoError(t, err)
	require.ErrorIs(t, plan.Write(out), patch.ErrChanged)
	require.NoFileExists(t, out)
}

// TestTwoClassesAtOnePC repairs a binary in which one boundary has a window of each class. These
// two are not closed, and the others are.
func TestTwoClassesAtOnePC(t *testing.T) {
	original := labtest.Open(t, "go1.27.4")
	plan, err := patch.NewPlan(original)
	require.NoError(t, err)
	w := plan.Repaired[0].Window
	at, err := original.Offset(w.Entry, 4)
	require.NoError(t, err)
	data, err := os.ReadFile(original.Path)
	require.NoError(t, err)
	// A branch leads from the function's entry, where the stack pointer has another value, to
	// the middle of a pair. A jump table leads to every window of the function.
	binary.LittleEndian.PutUint32(data[at:], 0x14000000|uint32(w.Offset()/4))
	path := filepath.Join(t.TempDir(), "branch")
	require.NoError(t, os.WriteFile(path, data, 0o700))
	f, err := objfile.Open(path)
	require.NoError(t, err)
	plan, err = patch.NewPlan(f)
	require.NoError(t, err)
	segment := f.Segments[slices.IndexFunc(f.Segments, func(s objfile.Segment) bool { return s.Write && len(s.Data) > 4096 })]
	at = segment.Offset + 4096 - int64(segment.Addr%8)
	add := func(v window.Window) {
		if v.Func == w.Func {
			at -= 8
			binary.LittleEndian.PutUint64(data[at:], v.PC)
		}
	}
	for _, c := range plan.Repaired {
		add(c.Window)
	}
	for _, u := range plan.Unrepaired {
		add(u.Window)
	}
	require.NoError(t, f.Close())
	require.NoError(t, os.WriteFile(path, data, 0o700))

	f, err = objfile.Open(path)
	require.NoError(t, err)
	defer f.Close()
	plan, err = patch.NewPlan(f)
	require.NoError(t, err)
	classes := map[uint64][]window.Class{}
	two := false
	for _, u := range plan.Unrepaired {
		classes[u.PC] = append(classes[u.PC], u.Class)
		two = two || len(classes[u.PC]) == 2
	}
	require.True(t, two, "%v", plan.Unrepaired)
	require.NotEmpty(t, plan.Repaired)
	require.NoError(t, plan.Write(filepath.Join(t.TempDir(), "out")))
}
