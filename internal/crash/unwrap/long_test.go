package unwrap

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// labels returns labels as Loki's client prints them before a line, of a length in bytes.
func labels(length int) string {
	var b strings.Builder
	for i := 0; b.Len() < length; i++ {
		fmt.Fprintf(&b, "label%d=value%d, ", i, i)
	}
	return "{" + b.String()[:length-3] + "} "
}

// TestReadLong has lines with much before them. What is too long is said, if a goroutine
// begins after it, and only then.
func TestReadLong(t *testing.T) {
	lines := []string{"panic: boom", "", "goroutine 1 [running]:", "main.main()", "\t/src/a.go:1 +0x8"}
	for length, read := range map[int]bool{300: true, 500: true, 2000: true, MaxPrefix: true, MaxPrefix + 1: false, 3 * MaxPrefix: false} {
		before := labels(length)
		require.Len(t, before, length)
		var got []string
		s := &sink{line: func(l Line) { got = append(got, string(l.Text)) }}
		require.NoError(t, Read(strings.NewReader(before+strings.Join(lines, "\n"+before)+"\n"), s))
		if read {
			assert.Equal(t, lines, got, length)
			assert.Empty(t, s.skipped, length)
		} else {
			assert.Equal(t, []int{3}, s.skipped, length)
		}
	}
	s := &sink{line: func(Line) {}}
	text := strings.Repeat("all is well, ", MaxPrefix) + "panic: none, goroutine 1 [running]: is idle\n"
	require.NoError(t, Read(strings.NewReader(text), s))
	assert.Empty(t, s.skipped)
}
