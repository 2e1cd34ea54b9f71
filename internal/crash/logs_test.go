package crash

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"splitadd/internal/crash/crashtest"
	"splitadd/internal/objfile/objtest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// deaths returns the headers for each crash in an input.
func deaths(data []byte, e crashtest.Entry) (all []string) {
	for _, log := range Logs(data) {
		d := Classify(log.Text, e.Windows)
		all = append(all, strings.Join(answer(d), "; "))
	}
	return all
}

// TestLogs wraps every log of the corpus in every way. The crashes in it, and what they died
// of, stay the same.
func TestLogs(t *testing.T) {
	for _, e := range crashtest.Corpus(t, ".") {
		lines := strings.Split(strings.TrimSuffix(string(e.Log), "\n"), "\n")
		want := deaths(e.Log, e)
		for name, wrap := range crashtest.Wrappers {
			t.Run(filepath.Base(e.Path)+"/"+name, func(t *testing.T) {
				assert.Equal(t, want, deaths([]byte(strings.Join(wrap(lines), "\n")+"\n"), e))
			})
		}
	}
}

// TestLogsOfTwo mixes the lines of two processes that die at the same time.
func TestLogsOfTwo(t *testing.T) {
	one, two := crashtest.Read(t, "testdata/go1.23.4-sp-leaf65552-gc.txt"), crashtest.Read(t, "testdata/go1.27.4-nil.txt")
	want := append(deaths(one.Log, one), deaths(two.Log, one)...)
	for name, of := range map[string][2]func([]string) []string{
		"pods":     {crashtest.PrefixLines(func(int) string { return "[web-1] " }), crashtest.PrefixLines(func(int) string { return "[web-2] " })},
		"names":    {crashtest.PrefixLines(func(i int) string { return fmt.Sprint(i, " api: ") }), crashtest.PrefixLines(func(i int) string { return fmt.Sprint(i, " web: ") })},
		"process":  {crashtest.PrefixLines(func(int) string { return "daemon[41]: " }), crashtest.PrefixLines(func(int) string { return "daemon[42]: " })},
		"services": {crashtest.PrefixLines(func(int) string { return "web-1  | " }), crashtest.PrefixLines(func(int) string { return "web-2  | " })},
		"objects": {
			crashtest.JSONLines(func(s string) any { return map[string]any{"pod": "a", "log": s} }), crashtest.JSONLines(func(s string) any { return map[string]any{"pod": "b", "log": s} }),
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := of[0](strings.Split(strings.TrimSuffix(string(one.Log), "\n"), "\n"))
			b := of[1](strings.Split(strings.TrimSuffix(string(two.Log), "\n"), "\n"))
			var mixed []string
			for i := range max(len(a), len(b)) {
				mixed = append(append(mixed, a[min(i, len(a)):min(i+1, len(a))]...), b[min(i, len(b)):min(i+1, len(b))]...)
			}
			assert.ElementsMatch(t, want, deaths([]byte(strings.Join(mixed, "\n")), one))
		})
	}
}

// TestLogsGlued has a process that crashes while it prints a line, and crashes in the same way
// after each restart. The words before the crash are not a prefix that a collector added.
func TestLogsGlued(t *testing.T) {
	e := crashtest.Read(t, "testdata/go1.27.4-nil.txt")
	want := deaths(e.Log, e)
	require.Len(t, want, 1)
	for n := 1; n <= 4; n++ {
		var log strings.Builder
		for range n {
			log.WriteString("starting\nready\nreading table 7 ... " + string(e.Log) + "\nrestart\n")
		}
		assert.Equal(t, slices.Repeat(want, n), deaths([]byte(log.String()), e), "%d", n)
	}
}

// TestLogsBatch has two processes that crash one after the other. The second crash begins at
// each place around the end of a batch of lines. The lines before it, which show that it is
// another crash, must not be forgotten at the end of the batch.
func TestLogsBatch(t *testing.T) {
	for n := batchLines - margin - 20; n < batchLines-margin+20; n++ {
		log := "panic: boom\n\ngoroutine 1 [running]:\n" + strings.Repeat("goroutine 7 [select]:\n", n) + "exit status 2\n" +
			"fatal error: unknown caller pc\n\nruntime stack:\nruntime.throw({0x1, 0x2})\n\ta.go:1 +0x8\n" + strings.Repeat("goroutine 7 [select]:\n", 2*margin)
		logs := Logs([]byte(log))
		require.Equal(t, 2, len(logs), "%d", n)
		assert.Equal(t, n+5, logs[1].Line, "%d", n)
	}
}

// TestLogsPlace checks in which line of the input a crash begins.
func TestLogsPlace(t *testing.T) {
	e := crashtest.Read(t, "testdata/go1.27.4-nil.txt")
	filler := strings.Repeat("all is well\n", 10000)
	logs := Logs([]byte(filler + string(e.Log) + filler + string(e.Log)))
	require.Len(t, logs, 2)
	assert.Equal(t, 10001, logs[0].Line)
	assert.Equal(t, 20001+bytes.Count(e.Log, []byte("\n")), logs[1].Line)
	assert.Empty(t, Logs([]byte(filler)))
	assert.Empty(t, Logs([]byte("fatal error: the printer is out of paper\npanic: at the disco\nSIGNED: yes\n")))
	assert.Empty(t, Logs(nil))
}

// FuzzLogs looks for crashes whose places, sizes or number make no sense. Two copies of an
// input have at most twice as many crashes as one, and one more that may span the seam.
func FuzzLogs(f *testing.F) {
	for _, log := range crashtest.AllLogs(f, ".") {
		f.Add(log)
	}
	for _, name := range []string{"docker", "logfmt", "latest first"} {
		lines := strings.Split(string(crashtest.Read(f, "testdata/go1.23.4-sp-leaf65552-gc.txt").Log), "\n")
		f.Add([]byte(strings.Join(crashtest.Wrappers[name](lines), "\n")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var logs []Log
		objtest.RunBounded(t, func() { logs = Logs(data) })
		filler := strings.Repeat("all is well\n", 200)
		if two := Logs([]byte(string(data) + "\n" + filler + string(data))); len(two) > 2*len(logs)+1 {
			t.Errorf("%d crashes, and %d in two copies", len(logs), len(two))
		}
		last := 0
		for _, log := range logs {
			if log.Line < max(1, last) || log.Line > 1+bytes.Count(data, []byte("\n")) {
				t.Errorf("line %d after %d", log.Line, last)
			}
			last = log.Line
			if len(log.Text) > maxLog {
				t.Errorf("%d bytes", len(log.Text))
			}
			FactsOf(log.Text)
		}
	})
}

// BenchmarkLogs reads 100 MB of a log with a crash at its end.
func BenchmarkLogs(b *testing.B) {
	e := crashtest.Read(b, "testdata/go1.23.4-sp-leaf65552-gc.txt")
	for name, line := range map[string]string{
		"lines":   "2026-03-01T17:08:59.123Z INFO served GET /index.html in 3 ms, SIGNED, status 200, no panic\n",
		"objects": `{"log":"served GET /index.html in 3 ms, status 200, no panic\n","stream":"stderr","time":"2026-03-01T17:08:59.1Z"}` + "\n",
		"goroutines": "goroutine 7 [select, 3 minutes]:\nruntime.gopark(0x400007c7d8?, 0x2?, 0x60?, 0x0?, 0x400007c76c?)\n\truntime/proc.go:398 +0xc8 fp=0x400007c5f0 sp=0x400007c5d0 pc=0x43988\n" +
			"main.serve(0x0?)\n\tmain.go:7 +0x18 fp=0x400007c7f0 sp=0x400007c5f0 pc=0x93988\n\n",
		"crashes": string(crashtest.Read(b, "testdata/go1.27.4-nil.txt").Log),
	} {
		data := append(bytes.Repeat([]byte(line), 100<<20/len(line)), e.Log...)
		if name == "goroutines" {
			data = append(e.Log[:len(e.Log):len(e.Log)], data...)
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for range b.N {
				if len(Logs(data)) == 0 {
					b.Fatal("no crash")
				}
			}
		})
	}
}
