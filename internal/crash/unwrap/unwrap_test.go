package unwrap

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A sink takes the lines of a log, and what is not read of it.
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

// TestRead takes off what collectors put around the lines of a crash. Those of one
// process have one source.
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

// TestReadDeep has a goroutine of as many frames as the runtime prints, and no other.
func TestReadDeep(t *testing.T) {
	n := 0
	log := "panic: boom\n\ngoroutine 1 [running]:\n" + strings.Repeat("main.f()\n\t/src/a.go:1 +0x8\n", 50) + "...9 frames elided...\n" +
		strings.Repeat("main.f()\n\t/src/a.go:1 +0x8\n", 50) + "exit status 2\n"
	require.NoError(t, Read(strings.NewReader(log), &sink{line: func(l Line) { n++ }}))
	assert.Equal(t, strings.Count(log, "\n"), n)
}

// TestReadFar leaves out what is not near a line of a crash.
func TestReadFar(t *testing.T) {
	n := 0
	require.NoError(t, Read(strings.NewReader(strings.Repeat("all is well\n", 1000)+"panic: boom\n"), &sink{line: func(l Line) { n++ }}))
	assert.Equal(t, nearLines+1, n)
	require.NoError(t, Read(strings.NewReader(strings.Repeat("all is well\n", 1000)), &sink{line: func(l Line) { t.Error(l.Number) }}))
}

// TestReadMany forgets prefixes that have been quiet, and says which.
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

// TestReadSkipped says in which lines JSON was passed over: too deep, or at too many
// places. Only what may be of a crash counts.
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
