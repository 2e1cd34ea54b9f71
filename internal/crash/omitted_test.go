package crash

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"splitadd/internal/crash/crashtest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOmitted has crashes of which the end, or everything, is not read. Each is counted.
func TestOmitted(t *testing.T) {
	split := string(crashtest.Read(t, "testdata/go1.23.4-sp-leaf65552-gc.txt").Log)
	lines := strings.Split(strings.TrimSuffix(split, "\n"), "\n")
	half, first := len(lines)/2, Logs([]byte(split))[0].Line
	pod := func(name string, lines []string) string {
		return strings.Join(crashtest.PrefixLines(func(int) string { return name + "  | " })(lines), "\n") + "\n"
	}
	var others, goroutines, members strings.Builder
	for i := range 30_000 {
		fmt.Fprintf(&others, "web-%d  | panic: boom\n", i)
		fmt.Fprintf(&members, `{"a%d":"panic: boom"}`+"\n", i)
	}
	for i := range 60_000 {
		fmt.Fprintf(&goroutines, "\ngoroutine %d [select, 9 minutes]:\nmain.main()\n\t/src/main.go:7 +0x10 fp=0x400007c5f0 sp=0x400007c5d0 pc=0x43988\n", i+100)
	}
	latest := strings.Split(strings.TrimSuffix(split+goroutines.String(), "\n"), "\n")
	slices.Reverse(latest)
	for name, c := range map[string]struct {
		log  string
		want Omitted
	}{
		"nothing":       {split, Omitted{}},
		"many prefixes": {pod("api-1", lines[:half]) + others.String() + pod("api-1", lines[half:]), Omitted{InterruptedCrashes: 1, FirstLine: first}},
		"a long crash":  {split + goroutines.String(), Omitted{LongCrashes: 1, FirstLine: first}},
		"latest first":  {strings.Join(latest, "\n"), Omitted{LongCrashes: 1}},
		"many members":  {members.String() + `{"b":"fatal error: traceback did not unwind completely"}`, Omitted{JSONLines: 30_001 - 1<<14}},
	} {
		var logs []Log
		var got Omitted
		require.NoError(t, Find(strings.NewReader(c.log), func(l Log) { logs = append(logs, l) }, &got))
		if c.want.FirstLine == 0 {
			got.FirstLine = 0
		}
		assert.Equal(t, c.want, got, name)
		assert.Equal(t, c.want == Omitted{}, got.String() == "", name)
		if !strings.HasPrefix(name, "many members") {
			assert.NotEmpty(t, logs, name)
		}
	}
}

// TestOmittedPrefixes has more prefixes, each on one line only, than are learned. A crash
// without a prefix is still found after them. The lines that were not read are counted.
func TestOmittedPrefixes(t *testing.T) {
	e := crashtest.Read(t, "testdata/go1.23.4-sp-leaf65552-gc.txt")
	var log strings.Builder
	for i := range 600_000 {
		fmt.Fprintf(&log, "p%dq panic: boom\n", i)
	}
	log.Write(e.Log)
	var logs []Log
	var omitted Omitted
	require.NoError(t, Find(strings.NewReader(log.String()), func(l Log) { logs = append(logs, l) }, &omitted))
	require.Len(t, logs, 1)
	assert.Equal(t, deaths(e.Log, e), []string{strings.Join(answer(Classify(logs[0].Text, e.Windows)), "; ")})
	assert.Greater(t, omitted.ManyPrefixLines, 1000)
	assert.Greater(t, omitted.FirstLine, 500_000)
	assert.Contains(t, omitted.String(), "with a prefix that came after too many others")
}

// TestOmittedStreams has more streams in the middle of a crash than are kept, and then a
// crash that is too long. Both are counted.
func TestOmittedStreams(t *testing.T) {
	var b strings.Builder
	for i := range maxStreams + 10 {
		fmt.Fprintf(&b, "web-%d | goroutine 1 [running]:\nweb-%d | main.main()\n", i, i)
	}
	found := 0
	var omitted Omitted
	require.NoError(t, Find(strings.NewReader(b.String()), func(Log) { found++ }, &omitted))
	assert.Equal(t, maxStreams+10, found)
	assert.Greater(t, omitted.InterruptedCrashes, 0)
	assert.Contains(t, omitted.String(), "the first begins in line 1")

	long := nilPanic + strings.Repeat("goroutine 7 [running]:\nmain.main()\n\ta.go:1 +0x8\n\n", maxLog/40)
	omitted = Omitted{}
	require.NoError(t, Find(strings.NewReader(long), func(l Log) { assert.True(t, l.Truncated); assert.LessOrEqual(t, len(l.Text), maxLog) }, &omitted))
	assert.Equal(t, Omitted{LongCrashes: 1, FirstLine: 1}, omitted)
	omitted = Omitted{}
	require.NoError(t, Find(strings.NewReader(nilPanic), func(Log) {}, &omitted))
	assert.Empty(t, omitted.String())
}

// TestLastLineCut has a log that ends inside the only line of a crash.
func TestLastLineCut(t *testing.T) {
	whole := "runtime: g 7: unexpected return pc for main.f called from 0x1234"
	for n := len("runtime: g 7: unexpected return pc f"); n <= len(whole); n++ {
		logs := Logs([]byte("all is well\n" + whole[:n]))
		require.Equal(t, 1, len(logs), "%d", n)
		d := Classify(logs[0].Text, nil)
		assert.Equal(t, Unwind, d.Kind, "%q", whole[:n])
	}
}
