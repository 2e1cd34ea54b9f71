package triage

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/crash/crashtest"
	"splitadd/internal/window"
)

// TestLostPointer has a text that a lost pointer may cause, from releases that lose pointers and
// from others. The table of kinds in package window says which they are.
func TestLostPointer(t *testing.T) {
	e := crashtest.Read(t, crashFolder+"/testdata/free-object-1.26.6.txt")
	kind, ok := window.KindNamed(string(window.Pointer))
	require.True(t, ok)
	require.NotEmpty(t, kind.Fixed)
	releases := map[string]Answer{"go1.16.15": Undecided, "go1.24.6": Undecided, "go1.25.12": Undecided, "go1.26.0": Undecided, "go1.26.5": Undecided, "go1.25.14": NotThis, "go1.27.4": NotThis, "go1.15.1": NotThis}
	for _, first := range kind.Fixed {
		releases[first] = NotThis
	}
	for release, want := range releases {
		log := bytes.ReplaceAll(e.Log, []byte("go1.26.6"), []byte(release))
		verdicts, err := logs("log", log, nil)
		require.NoError(t, err)
		require.Len(t, verdicts, 1)
		v := verdicts[0]
		assert.Equal(t, want, v.Answer, "%s: %s", release, v.Reason)
		said := v.Settle + strings.Join(v.Evidence, "\n")
		assert.Contains(t, said, kind.Remedy, "%s", release)
		assert.Contains(t, said, "go1.16", "%s", release)
	}
}

// TestServedPanic has a panic that net/http recovered, before or after a crash. It is not a crash
// that is cut off, and does not change the answer on the real crash.
func TestServedPanic(t *testing.T) {
	served := "2026/03/01 17:08:59 http: panic serving 10.0.0.7:54063: boom\n" + string(crashtest.Read(t, crashFolder+"/testdata/http-recovered.txt").Log) + "\n"
	for _, name := range []string{"go1.27.4-nil.txt", "go1.23.4-sp-leaf65552-gc.txt", "go1.27.4-fp-leaf65552-trace.txt"} {
		e := crashtest.Read(t, crashFolder+"/testdata/"+name)
		want := answers(t, e.Log, binaryOf(e))
		require.Len(t, want, 1)
		for place, log := range map[string]string{"before": served + string(e.Log), "twice before": served + served + string(e.Log), "after": string(e.Log) + "\n" + served} {
			got := answers(t, []byte(log), binaryOf(e))
			assert.Contains(t, got, want[0], "%s, %s", name, place)
			for _, a := range got {
				assert.NotContains(t, a, "cut off", "%s, %s", name, place)
				assert.True(t, a == want[0] || a == "not this: a stack trace that the process printed before it went on", "%s, %s: %s", name, place, a)
			}
		}
	}
}
