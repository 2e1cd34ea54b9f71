package victim

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCases calls every victim, cold and not. The result must not depend on what a cold
// call writes to the frame.
func TestCases(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Cases() {
		assert.False(t, seen[c.Func], "%s is there twice", c.Func)
		seen[c.Func] = true
		for _, x := range []uint64{0, 1, 0xe8, garbage, 1<<64 - 1} {
			assert.Equal(t, c.want(x), c.call(x, false), "%s(%#x)", c.Func, x)
			assert.Equal(t, c.want(x), c.call(x, true), "%s(%#x), cold", c.Func, x)
		}
		found, ok := Find(c.Func)
		assert.True(t, ok)
		assert.Equal(t, c.Frame, found.Frame)
	}
	for _, body := range []uint64{0, 1, 7, 1000} {
		spinBody = body
		for _, cold := range []bool{false, true} {
			assert.Equal(t, Spin.want(garbage), Spin.call(garbage, cold), "a body of %d", body)
		}
	}
	spinBody = 0
	_, ok := Find("none")
	assert.False(t, ok)
}

// TestMainRuns runs each observer on this machine.
func TestMainRuns(t *testing.T) {
	for _, observer := range append([]string{"all"}, Observers...) {
		var out bytes.Buffer
		c := Config{Victim: "leaf4096", Observer: observer, Victims: 2, Procs: 3, Observe: 3, Polite: observer == "gc"}
		require.Zero(t, Main(c.Args(), new(Goroutines), &out), "%s: %s", observer, &out)
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		assert.Equal(t, LineMark+"begin leaf4096 "+observer, lines[0])
		assert.Contains(t, lines[len(lines)-1], LineMark+"end 3 calls ")
	}
}

func TestMainRefuses(t *testing.T) {
	for _, c := range []Config{
		{Victim: "none", Observer: "gc", Victims: 1},
		{Victim: "leaf4096", Observer: "none of these", Victims: 1},
		{Victim: "leaf4096", Observer: "gc"},
	} {
		var out bytes.Buffer
		assert.Equal(t, ExitUsage, Main(c.Args(), new(Goroutines), &out), "%+v", c)
		assert.Empty(t, out.String())
	}
	assert.Equal(t, ExitUsage, Main([]string{"-nonsense"}, new(Goroutines), new(bytes.Buffer)))
}

// TestCorrupt expects a wrong result of a victim.
func TestCorrupt(t *testing.T) {
	c, _ := Find("leaf4096")
	c.want = func(x uint64) uint64 { return x }
	var done uint64
	var stop uint32
	err := c.loop(0, &done, &stop)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "leaf4096(")

	var group Goroutines
	group.Go(func() error { return err })
	group.Go(func() error { return nil })
	require.True(t, errors.Is(group.Wait(), ErrCorrupt))
}
