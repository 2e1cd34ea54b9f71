package survey_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"splitadd/internal/objfile"
	"splitadd/internal/objfile/objtest"
	"splitadd/internal/pclntab"
	"splitadd/internal/survey"
	"splitadd/internal/window"
	"splitadd/internal/window/windowtest"
)

// FuzzSurvey changes binaries: eight bytes anywhere, and fields of their headers and
// tables. If a binary can still be read, its windows must be those that the oracle
// sees.
func FuzzSurvey(f *testing.F) {
	seeds := objtest.Seeds(f)
	for i := range uint8(3) {
		f.Add(i, uint32(24), uint64(1<<40), []byte(nil))
		f.Add(i, uint32(4096), uint64(0xffffffff), []byte(nil))
	}
	objtest.AddSeedEdits(f, seeds, func(which uint8, edits []byte) { f.Add(which, uint32(0), uint64(0), edits) })
	f.Fuzz(func(t *testing.T, which uint8, at uint32, word uint64, edits []byte) {
		m := seeds[objtest.Names[int(which)%len(objtest.Names)]]
		changed, _ := m.ApplyEdits(edits)
		if at > 0 {
			changed = m.ApplyOverwrite(int(at), word, edits)
		}
		objtest.RunBounded(t, func() {
			file, err := objfile.Parse("fuzzed", changed)
			if err != nil {
				require.NotErrorIs(t, err, objfile.ErrPanic)
				return
			}
			found, err := survey.Scan(file, false)
			if err != nil {
				require.NotErrorIs(t, err, objfile.ErrPanic)
				return
			}
			require.LessOrEqual(t, file.Budget.Usage().LargestShare(), 1.0)
			compare(t, file, found)
		})
	})
}

// Bounds on the functions that compare gives to the oracle, which is slow.
const (
	mostFunctions = 24
	mostCode      = 2 << 10 // bytes of one
)

// compare compares what was found in small functions with the oracle: in the victims
// that edits change, and in some of the functions that have windows.
func compare(t *testing.T, file *objfile.File, found *survey.Binary) {
	windows := map[uint64]map[windowtest.Point]bool{}
	for _, f := range found.Functions {
		points := map[windowtest.Point]bool{}
		for _, w := range f.Windows {
			if w.Class == window.SP || w.Class == window.FP { // of the others the oracle knows nothing
				points[windowtest.Point{Class: w.Class, PC: w.PC}] = true
			}
		}
		windows[f.Windows[0].Entry] = points
	}
	file.Budget = nil // of the survey, which is over
	table, err := pclntab.Open(file)
	require.NoError(t, err)
	writesBelow := windowtest.PreemptionWrites(table)
	compared := 0
	for i := 0; i < table.Len() && compared < mostFunctions; i++ {
		fn, err := table.Func(i)
		require.NoError(t, err)
		if size := fn.End - fn.Entry; fn.Assembly() || size > mostCode || size%4 != 0 {
			continue
		}
		if name := fn.Name(); windows[fn.Entry] == nil && !strings.Contains(name, "victim.leaf6") && !strings.Contains(name, "victim.nonleaf6") {
			continue
		}
		code, err := file.Bytes(fn.Entry, fn.End-fn.Entry)
		require.NoError(t, err)
		compared++
		got := windows[fn.Entry]
		if pcsp, err := fn.PCSP(); err != nil || len(pcsp) == 0 { // the unwinder does not pass it
			require.Empty(t, got, fn.Name())
			continue
		}
		if _, err := fn.SafePoints(); err != nil { // not read: the pointers are always right
			require.Empty(t, got, fn.Name())
			continue
		}
		want, ok := windowtest.Interpret(fn, code, found.UnwindsFP, writesBelow)
		if !ok {
			continue
		}
		for p := range want {
			if !got[p] {
				t.Errorf("%s at %#x: the oracle has a %s window at %#x that was not found", fn.Name(), fn.Entry, p.Class, p.PC)
			}
		}
		for p := range got {
			if !want[p] {
				t.Errorf("%s at %#x: the oracle has no %s window at %#x", fn.Name(), fn.Entry, p.Class, p.PC)
			}
		}
	}
}
