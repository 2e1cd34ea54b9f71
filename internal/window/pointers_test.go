package window_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/arm64"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/objfile"
	"splitadd/internal/pclntab"
	"splitadd/internal/window"
)

// windowsOf returns the preemptible windows of a class in a file.
func windowsOf(t *testing.T, path string, class window.Class) (windows []window.Window) {
	f, err := objfile.Open(path)
	require.NoError(t, err)
	defer f.Close()
	finder, err := window.Open(f)
	require.NoError(t, err)
	all, err := finder.Find()
	require.NoError(t, err)
	for _, w := range all {
		if w.Class == class {
			windows = append(windows, w)
		}
	}
	return windows
}

// TestStoredPointer moves the result of a call to R30 and uses it as an address. The
// window is certain, but only possible if the value has been stored to memory before.
// cmd/compile/internal/ssa.dse of go1.19.8 appends to a sparse set in this way.
func TestStoredPointer(t *testing.T) {
	f := labtest.Open(t, "go1.23.4")
	s := find(t, f, 6, func(s stretch) bool {
		ok := s.words[0]>>26 == 0x25 && s.preemptible() // CALL
		for _, w := range s.words[1:] {
			ok = ok && plain(w)
		}
		return ok
	})
	const move, clear, load = 0xaa0003fe, 0xaa1f03e0, 0xf94003c1 // MOVD R0, R30; MOVD ZR, R0; MOVD (R30), R1
	for first, possible := range map[uint32]bool{arm64.Nop: false, 0xf9000020: true /* MOVD R0, (R1) */} {
		windows := windowsOf(t, patched(t, f, s.pc+4, first, move, clear, arm64.Nop, load), window.Pointer)
		found := 0
		for _, w := range windows {
			if w.PC > s.pc+12 && w.PC <= s.pc+20 {
				found++
				assert.Equal(t, possible, w.Possible, "%v: %s", w, w.Detail)
			}
		}
		assert.Equal(t, 2, found)
	}
}

// TestFrameAddress builds time.Time.appendFormat with a release whose collector
// does not scan R30. The function keeps the address of a local variable in R30. That is
// not a pointer into the heap.
func TestFrameAddress(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module m\n\ngo 1.18\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nimport \"time\"\n\nfunc main() {\n\tprintln(time.Now().Format(time.RFC1123))\n}\n"), 0o644))
	path := labtest.Build(t, dir, ".", []string{"GOTOOLCHAIN=go1.24.6"})
	f, err := objfile.Open(path)
	require.NoError(t, err)
	defer f.Close()
	table, err := pclntab.Open(f)
	require.NoError(t, err)
	fn, ok := table.LookupFunc("time.Time.appendFormat")
	require.True(t, ok)
	code, err := f.Bytes(fn.Entry, fn.End-fn.Entry)
	require.NoError(t, err)
	addresses := 0
	for ; len(code) >= 4; code = code[4:] {
		w := uint32(code[0]) | uint32(code[1])<<8 | uint32(code[2])<<16 | uint32(code[3])<<24
		if rd, rn, _, ok := arm64.AddImmediate(w); ok && rd == arm64.LR && rn == arm64.SP {
			addresses++
		}
	}
	assert.Positive(t, addresses, "R30 gets an address in the frame")
	for _, w := range windowsOf(t, path, window.Pointer) {
		assert.False(t, strings.HasPrefix(w.Func, "time.Time.appendFormat"), "%v: %s", w, w.Detail)
	}
}

// TestUnwindersRecord stores R29 and R27 below the stack pointer, as prologues up to
// go1.20 do before they call duffzero. The stores are for unwinders that follow the
// frame pointer, and are not a window unless R27 is loaded again.
func TestUnwindersRecord(t *testing.T) {
	f := labtest.Open(t, "go1.27.4")
	s := find(t, f, 4, func(s stretch) bool {
		pcsp, err := s.fn.PCSP()
		require.NoError(t, err)
		cursor := s.fn.Cursor(pcsp)
		below, _ := cursor.At(s.pc) // not in the prologue: its bytes below are the frame
		return below > 0 && s.preemptible() && plain(s.words[0]) && plain(s.words[1]) && plain(s.words[2]) && plain(s.words[3])
	})
	const adr, store, load = 0x1000009b, 0xa93eeffd, 0xf85f03e1 // ADR 16(PC), R27; STP (R29, R27), -24(RSP); MOVD -16(RSP), R1
	assert.Zero(t, kinds(t, patched(t, f, s.pc, adr, store, arm64.Nop, arm64.Nop))["lost register"])
	assert.Positive(t, kinds(t, patched(t, f, s.pc, adr, store, load, arm64.Nop))["lost register"])
}
