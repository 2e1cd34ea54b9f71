package unwrap

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A sink records what Read finds in a log.
type sink struct {
	line      func(Line)
	forgotten map[uint64]bool
	skipped   []int
}

func (s *sink) Line(l Line) { s.line(l) }

func (s *sink) Forget(source uint64) {
	if s.forgotten == nil {
		s.forgotten = map[uint64]bool{}
	}
	s.forgotten[source] = true
}

func (s *sink) Skip(number int, _ SkipReason) { s.skipped = append(s.skipped, number) }

// TestRead has a crash in several wrappings. Its lines come out the same, with one source.
func TestRead(t *testing.T) {
	want := []string{"panic: boom", "", "goroutine 1 [running]:", "main.main()", "\t/src/a.go:1 +0x8"}
	for name, log := range map[string]string{
		"as it is":       "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/a.go:1 +0x8\n",
		"CRLF, padded":   "panic: boom   \r\n\r\ngoroutine 1 [running]:  \r\nmain.main()\r\n\t/src/a.go:1 +0x8 \r\n",
		"prefix":         "web-1  | panic: boom\nweb-1  | \nweb-1  | goroutine 1 [running]:\nweb-1  | main.main()\nweb-1  | \t/src/a.go:1 +0x8\n",
		"JSON":           `{"log":"panic: boom\n"}` + "\n" + `{"log":"\n"}` + "\n" + `{"log":"goroutine 1 [running]:\n"}` + "\n" + `{"log":"main.main()\n"}` + "\n" + `{"log":"\t/src/a.go:1 +0x8\n"}` + "\n",
		"JSON in one":    `{"msg":"panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/a.go:1 +0x8\n"}` + "\n",
		"escaped":        "panic: boom#012#012goroutine 1 [running]:#012main.main()#012#011/src/a.go:1 +0x8\n",
		"colours":        "\x1b[31mpanic: boom\x1b[0m\n\n\x1b[31mgoroutine 1 [running]:\x1b[0m\nmain.main()\n\t/src/a.go:1 +0x8\n",
		"without an end": "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/a.go:1 +0x8",
	} {
		var got []string
		sources := map[uint64]bool{}
		s := &sink{line: func(l Line) {
			got = append(got, string(l.Text))
			sources[l.Source] = true
			assert.Positive(t, l.Number, name)
		}}
		require.NoError(t, Read(strings.NewReader(log), s), name)
		assert.Empty(t, s.skipped, name)
		assert.Equal(t, want, got, name)
		assert.Len(t, sources, 1, name)
	}
}

// TestReadDeep has a goroutine with as many frames as the runtime prints. No line is left out.
func TestReadDeep(t *testing.T) {
	n := 0
	log := "panic: boom\n\ngoroutine 1 [running]:\n" + strings.Repeat("main.f()\n\t/src/a.go:1 +0x8\n", 50) + "...9 frames elided...\n" +
		strings.Repeat("main.f()\n\t/src/a.go:1 +0x8\n", 50) + "exit status 2\n"
	require.NoError(t, Read(strings.NewReader(log), &sink{line: func(l Line) { n++ }}))
	assert.Equal(t, strings.Count(log, "\n"), n)
}

// TestReadFar leaves out lines that are not near a line of a crash.
func TestReadFar(t *testing.T) {
	n := 0
	require.NoError(t, Read(strings.NewReader(strings.Repeat("all is well\n", 1000)+"panic: boom\n"), &sink{line: func(l Line) { n++ }}))
	assert.Equal(t, nearLines+1, n)
	require.NoError(t, Read(strings.NewReader(strings.Repeat("all is well\n", 1000)), &sink{line: func(l Line) { t.Error(l.Number) }}))
}

// TestReadMany has so many prefixes that those without new lines are forgotten. Forget is
// called for them.
func TestReadMany(t *testing.T) {
	var log strings.Builder
	log.WriteString("first  | panic: boom\n")
	for i := range 4 * maxPrefixes {
		fmt.Fprintf(&log, "web-%d  | panic: boom\n", i)
	}
	sources := map[uint64]bool{}
	var first uint64
	s := &sink{line: func(l Line) {
		sources[l.Source] = true
		if l.Number == 1 {
			first = l.Source
		}
	}}
	require.NoError(t, Read(strings.NewReader(log.String()), s))
	assert.Len(t, sources, 1+4*maxPrefixes)
	assert.True(t, s.forgotten[first])
	assert.Less(t, len(sources)-len(s.forgotten), 2*maxPrefixes)
}

// TestReadSkipped has JSON that is too deep or has too many different members. Skip is called
// for lines that may belong to a crash, and for no others.
func TestReadSkipped(t *testing.T) {
	deep := strings.Repeat(`{"a":`, maxDepth+1)
	var places strings.Builder
	for i := range maxPaths + 10 {
		fmt.Fprintf(&places, `{"a%d":"panic: boom"}`+"\n", i)
	}
	for name, c := range map[string]struct {
		log  string
		want int
	}{
		"deep": {deep + `{"log":"panic: boom"}` + "\n", 1}, "deep, of something else": {deep + `{"log":"no crash"}` + "\n", 0},
		"places": {places.String(), 10}, "places, then something else": {places.String() + `{"b":"all is well","a1":"panic: boom"}` + "\n", 10},
	} {
		s := &sink{line: func(Line) {}}
		require.NoError(t, Read(strings.NewReader(c.log), s), name)
		assert.Len(t, s.skipped, c.want, name)
	}
}

// labels returns labels of the given length, as Loki's client prints them before a line.
func labels(length int) string {
	var b strings.Builder
	for i := 0; b.Len() < length; i++ {
		fmt.Fprintf(&b, "label%d=value%d, ", i, i)
	}
	return "{" + b.String()[:length-3] + "} "
}

// TestReadLong has lines with long prefixes. If a prefix is too long, Skip is called for the
// line with which a goroutine begins, and for no other line.
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
