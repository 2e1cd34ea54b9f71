package window_test

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/arm64"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/objfile"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

const prefix = "splitadd/internal/victim."

func open(t *testing.T, toolchain string) (*objfile.File, *window.Finder) {
	f := labtest.Open(t, toolchain)
	finder, err := window.Open(f)
	require.NoError(t, err)
	return f, finder
}

// affected says what each release does: before the fix of golang/go#73259 and
// after it; with an unwinder by frame pointer and without; and with frame pointers
// that are restored too late.
var affected = map[string]struct{ nonleaf, fp, stale bool }{
	"go1.16.15": {nonleaf: true},
	"go1.18.10": {nonleaf: true},
	"go1.20.14": {nonleaf: true},
	"go1.21.3":  {nonleaf: true, stale: true},
	"go1.23.4":  {nonleaf: true, fp: true},
	"go1.27.4":  {fp: true},
}

// TestVictims compares the windows of every victim with the assembler's rule.
func TestVictims(t *testing.T) {
	for release, is := range affected {
		if labtest.LeftOut(t, release) {
			continue
		}
		t.Run(release, func(t *testing.T) {
			_, finder := open(t, release)
			require.Equal(t, is.fp || is.stale, finder.UnwindsFP)
			functions := map[string]window.Function{}
			found, err := finder.Functions(prefix)
			require.NoError(t, err)
			for _, f := range found {
				functions[f.Name] = f
			}
			for _, c := range victim.Cases() {
				f, ok := functions[prefix+c.Func]
				require.True(t, ok, c.Func)
				assert.EqualValues(t, c.Frame, f.Frame, c.Func)
				assert.Equal(t, c.Leaf, f.Leaf, c.Func)
				var want []window.Class
				if is.fp && c.Leaf && arm64.FormOf(uint64(c.Frame-8)) == arm64.TwoADDs {
					want = append(want, window.FP)
				}
				if (is.nonleaf || c.Leaf) && arm64.FormOf(uint64(c.Frame)) == arm64.TwoADDs {
					want = append(want, window.SP)
				}
				if is.stale && c.Leaf && c.Frame == 496 {
					want = append(want, window.FP)
				}
				var got []window.Class
				for _, w := range f.Windows {
					require.True(t, w.Preemptible && w.Known && w.Pair != w.Stale, "%v", w)
					if got = append(got, w.Class); w.Stale {
						assert.Equal(t, []any{window.StaleFP, int64(8), int64(504)}, []any{w.Kind(), w.Claimed, w.Actual})
						continue
					}
					assert.Contains(t, w.File, "internal/victim/", "%v", w)
					assert.Positive(t, w.Line)
					frame := int64(c.Frame)
					if w.Class == window.SP {
						assert.Equal(t, [2]int64{frame, frame &^ 0xfff}, [2]int64{w.Claimed, w.Actual}, "%v", w)
					} else {
						assert.Equal(t, [2]int64{8, frame - (frame-8)&0xfff}, [2]int64{w.Claimed, w.Actual}, "%v", w)
					}
				}
				assert.Equal(t, want, got, c.Func)
			}
		})
	}
}

// TestNothingElse shows that the rest of a guest, the runtime and the library below the
// victims, has no preemptible window.
func TestNothingElse(t *testing.T) {
	for release := range affected {
		t.Run(release, func(t *testing.T) {
			_, finder := open(t, release)
			all, err := finder.All()
			require.NoError(t, err)
			why := map[string]int{}
			for _, w := range all {
				if w.Preemptible && !w.Stale {
					assert.Contains(t, w.Func, prefix, "%v", w)
				}
				why[w.Why]++
			}
			assert.Positive(t, why["assembly"], "hand-written code that switches stacks: %v", why)
		})
	}
}

// edit returns the windows of a victim after its first words with a value are
// overwritten with others.
func edit(t *testing.T, name string, old, replacement []uint32) []window.Window {
	f, finder := open(t, "go1.27.4")
	functions, err := finder.Functions(prefix + name)
	require.NoError(t, err)
	code, err := f.Bytes(functions[0].Entry, functions[0].End-functions[0].Entry)
	require.NoError(t, err)
	offset, err := f.Offset(functions[0].Entry, 4)
	require.NoError(t, err)
	image, err := os.ReadFile(f.Path)
	require.NoError(t, err)
	for at := 0; ; at += 4 {
		require.Less(t, at, len(code), "words not found")
		match := true
		for i, w := range old {
			match = match && binary.LittleEndian.Uint32(code[at+4*i:]) == w
		}
		if !match {
			continue
		}
		for i, w := range replacement {
			binary.LittleEndian.PutUint32(image[int(offset)+at+4*i:], w)
		}
		break
	}
	changed, err := objfile.Parse("edited", image)
	require.NoError(t, err)
	finder, err = window.Open(changed)
	require.NoError(t, err)
	functions, err = finder.Functions(prefix + name)
	require.NoError(t, err)
	return functions[0].Windows
}

// TestEdited edits the epilogue of a leaf with a frame of 65,552 bytes.
func TestEdited(t *testing.T) {
	pairs := []uint32{
		0x910023fd, // ADD $8, RSP, R29
		0x914043bd, // ADD $(16<<12), R29, R29
		0x910043ff, // ADD $16, RSP, RSP
		0x914043ff, // ADD $(16<<12), RSP, RSP
		arm64.Ret,
	}
	t.Run("as it is", func(t *testing.T) {
		require.Len(t, edit(t, "leaf65552", pairs, pairs), 2)
	})
	t.Run("one add of a register", func(t *testing.T) {
		require.Empty(t, edit(t, "leaf65552", pairs, []uint32{
			0xf85f83fd, // MOVD -8(RSP), R29
			arm64.Nop,
			0xd2820030, // MOVD $4097, R16
			0x8b3073ff, // ADD R16<<4, RSP, RSP
			arm64.Ret,
		}))
	})
	t.Run("the stack pointer is never popped", func(t *testing.T) {
		windows := edit(t, "leaf65552", pairs, []uint32{0xf85f83fd, arm64.Nop, arm64.Nop, arm64.Nop, arm64.Ret})
		require.Len(t, windows, 1) // at the return
		require.Equal(t, [2]int64{0, 65552}, [2]int64{windows[0].Claimed, windows[0].Actual})
		require.False(t, windows[0].Pair)
	})
	t.Run("popped too early", func(t *testing.T) {
		windows := edit(t, "leaf65552", pairs, []uint32{0xd2820030, 0x8b3073ff, arm64.Nop, arm64.Nop, arm64.Ret})
		var got []window.Class
		for _, w := range windows {
			got = append(got, w.Class)
		}
		// The frame pointer stays that of the frame. A preemption does not overwrite
		// the part of the frame that it points to.
		require.Equal(t, []window.Class{window.SP, window.SP}, got)
	})
	t.Run("an unknown stack pointer", func(t *testing.T) {
		windows := edit(t, "leaf65552", pairs, []uint32{
			0xf85f83fd, arm64.Nop, arm64.Nop,
			0x9100001f, // MOVD R0, RSP
			arm64.Ret,
		})
		require.Len(t, windows, 1)
		require.False(t, windows[0].Known)
	})
}

func TestDisassembly(t *testing.T) {
	f, finder := open(t, "go1.27.4")
	functions, err := finder.Functions("splitadd/internal/victim.leaf65552")
	require.NoError(t, err)
	text := window.Disassembly(f, functions[0].Windows[1], 3, 1)
	assert.Regexp(t, `^  0x[0-9a-f]+ \+0x60	910023fd	ADD \$8, RSP, R29
  0x[0-9a-f]+ \+0x64	914043bd	ADD \$\(16<<12\), R29, R29
  0x[0-9a-f]+ \+0x68	910043ff	ADD \$16, RSP, RSP
  0x[0-9a-f]+ \+0x6c	914043ff	ADD \$\(16<<12\), RSP, RSP   <- leaf SP window
  0x[0-9a-f]+ \+0x70	d65f03c0	RET
$`, text)
}
