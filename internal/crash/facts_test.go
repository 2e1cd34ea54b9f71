package crash

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/crash/crashtest"
)

// TestFacts reads the facts of two logs. One is from a public issue.
func TestFacts(t *testing.T) {
	f := FactsOf(crashtest.Read(t, "testdata/go1.23.4-sp-leaf65552-gc.txt").Log)
	assert.Equal(t, []string{"", "arm64"}, []string{f.Go, f.Arch}) // built with -trimpath
	require.NotNil(t, f.Unwinder)
	assert.Equal(t, UnwinderState{
		SP: 0x400018fdb0, FP: 0x400019fdc0, Lo: 0x4000180000, Hi: 0x40001a0000,
		Func: "splitadd/internal/victim.leaf65552", GoroutineID: "6",
	}, *f.Unwinder)
	var preempted []Frame
	for _, frame := range f.Frames {
		if frame.Preempted {
			preempted = append(preempted, frame)
		}
	}
	require.Len(t, preempted, 1)
	assert.Equal(t, Frame{
		Header: "goroutine 6 gp=0x4000003500 m=0 mp=0x1dd080 [runnable (scan)]:",
		Stack:  7,
		Func:   "splitadd/internal/victim.leaf65552", File: "splitadd/internal/victim/frames.go", Offset: 0x64, HasOffset: true,
		PC: 0xd01d4, SP: 0x400018fdb0, FP: 0x400019fdc0, Innermost: true, Preempted: true,
	}, preempted[0])
	assert.Equal(t, "6", preempted[0].GoroutineID())

	f = FactsOf(crashtest.Read(t, "testdata/issue69389.txt").Log)
	require.NotNil(t, f.Unwinder)
	assert.Equal(t, UnwinderState{SP: 0x40001a7e10, Top: 0x40001c7fd0, Lo: 0x4000188000, Hi: 0x40001c8000, GoroutineID: "1"}, *f.Unwinder)

	f = FactsOf([]byte("a line\n\nand another: goroutine 7\n"))
	f.log, f.messages = nil, nil
	assert.Equal(t, Facts{}, f)
}

// TestRestoresFPLate checks releases against the table of kinds.
func TestRestoresFPLate(t *testing.T) {
	for release, want := range map[string]bool{
		"go1.20.14": false, "go1.21": true, "go1.21.0": true, "go1.21.6": true, "go1.22.0": false, "go1.27.4": false, "": false, "x": false,
	} {
		assert.Equal(t, want, restoresFPLate(release), release)
	}
	for _, first := range staleFPKind.Fixed {
		assert.False(t, restoresFPLate(first), first)
	}
}
