// Package crashtest gives tests the logs of the corpus, and writes lines as log collectors
// do.
package crashtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"splitadd/internal/window"
)

// An Entry is a log of the corpus with its headers. The file has header lines, a blank line,
// and what a process printed. The headers "window" are the windows of the program's binary.
// The other headers are the expected answers and where the log is from.
type Entry struct {
	Path    string
	Header  []string // the header lines, in order
	Windows []window.Window
	Log     []byte
}

// Get returns the values of all headers with a key.
func (e Entry) Get(key string) (values []string) {
	for _, line := range e.Header {
		if value, ok := strings.CutPrefix(line, key+": "); ok {
			values = append(values, value)
		}
	}
	return values
}

// Corpus reads the entries in the folder testdata of package crash. The argument is the path
// from the test to that package.
func Corpus(tb testing.TB, folder string) []Entry {
	tb.Helper()
	return read(tb, filepath.Join(folder, "testdata/*.txt"))
}

// Public reads the entries in testdata/public, which are written from the facts of public
// issues. Their headers say only where they are from.
func Public(tb testing.TB, folder string) []Entry {
	tb.Helper()
	return read(tb, filepath.Join(folder, "testdata/public/*.txt"))
}

func read(tb testing.TB, pattern string) (entries []Entry) {
	tb.Helper()
	paths, err := filepath.Glob(pattern)
	require.NoError(tb, err)
	require.NotEmpty(tb, paths)
	for _, path := range paths {
		entries = append(entries, Read(tb, path))
	}
	return entries
}

// AllLogs returns all logs, to begin fuzzing with: those of the corpus without headers, and
// the public ones with headers.
func AllLogs(tb testing.TB, folder string) (logs [][]byte) {
	tb.Helper()
	for _, e := range Corpus(tb, folder) {
		logs = append(logs, e.Log)
	}
	own := len(logs)
	paths, err := filepath.Glob(filepath.Join(folder, "testdata/public/*.txt"))
	require.NoError(tb, err)
	for _, path := range paths {
		data, err := os.ReadFile(path)
		require.NoError(tb, err)
		logs = append(logs, data)
	}
	require.Greater(tb, len(logs), own, "no public logs")
	return logs
}

// Read reads an entry from a file.
func Read(tb testing.TB, path string) Entry {
	tb.Helper()
	data, err := os.ReadFile(path)
	require.NoError(tb, err)
	head, log, ok := bytes.Cut(data, []byte("\n\n"))
	require.True(tb, ok, "%s: no blank line after the headers", path)
	e := Entry{Path: path, Header: strings.Split(string(head), "\n"), Log: log}
	for _, line := range e.Header {
		require.Contains(tb, line, ": ", "%s", path)
	}
	for _, value := range e.Get("window") {
		w := window.Window{Entry: 0x10000, Preemptible: true}
		var leaf, class string
		var offset uint64
		_, err := fmt.Sscanf(strings.Replace(value, "+0x", " 0x", 1), "%s %s %s %v", &leaf, &class, &w.Func, &offset)
		require.NoError(tb, err, "%s: %q", path, value)
		w.Class, w.Leaf, w.PC = window.Class(class), leaf == "leaf", w.Entry+offset
		e.Windows = append(e.Windows, w)
	}
	return e
}

// Wrappers are functions that change the lines of a process as log collectors do, by name.
var Wrappers = map[string]func(lines []string) []string{
	"as it is":   func(lines []string) []string { return lines },
	"timestamp":  PrefixLines(func(i int) string { return fmt.Sprintf("2026-03-%02dT17:08:59.%dZ ", 1+i/400, 101284384+i*7919) }),
	"short time": PrefixLines(func(i int) string { return fmt.Sprintf("2026/03/01 17:%02d:%02d ", i/60%60, i%60) }),
	"syslog":     PrefixLines(func(i int) string { return fmt.Sprintf("Mar %2d 17:08:59 web-7 daemon[4242]: ", 9+i/200) }),
	"container":  PrefixLines(func(i int) string { return fmt.Sprintf("2026-03-01T17:08:%02d.123456789+00:00 stderr F ", i%60) }),
	"compose":    PrefixLines(func(int) string { return "web-1  | " }),
	"kubectl":    PrefixLines(func(int) string { return "[pod/web-7d9f8b6c5-x2x9k/daemon] " }),
	"level":      PrefixLines(func(i int) string { return fmt.Sprintf("E0301 17:08:59.%06d   1234 daemon.go:17] ", i) }),
	"coloured": func(lines []string) []string {
		return mapLines(lines, func(_ int, s string) string { return "\x1b[31m" + s + "\x1b[0m" })
	},
	"CRLF": func(lines []string) []string {
		return mapLines(lines, func(_ int, s string) string { return s + "\r" })
	},
	"tabs expand": func(lines []string) []string {
		return mapLines(lines, func(_ int, s string) string { return strings.ReplaceAll(s, "\t", "        ") })
	},
	"tabs trimmed": func(lines []string) []string {
		return mapLines(lines, func(_ int, s string) string { return strings.TrimPrefix(s, "\t") })
	},
	"docker": JSONLines(func(s string) any {
		return map[string]any{"log": s + "\n", "stream": "stderr", "time": "2026-03-01T17:08:59.1Z"}
	}),
	"cloud": JSONLines(func(s string) any {
		return map[string]any{"textPayload": s, "resource": map[string]any{"labels": map[string]any{"pod_name": "web-1"}}, "severity": "ERROR"}
	}),
	"strings": JSONLines(func(s string) any { return s }),
	"one string": func(lines []string) []string {
		line, _ := json.Marshal(map[string]string{"msg": "child died", "stderr": strings.Join(lines, "\n")})
		return []string{string(line)}
	},
	"logfmt": func(lines []string) []string {
		return mapLines(lines, func(i int, s string) string { return fmt.Sprintf("ts=17:08:%02d level=error msg=%q", i%60, s) })
	},
	"latest first": func(lines []string) []string {
		lines = slices.Clone(lines)
		slices.Reverse(lines)
		return lines
	},
	"latest first, prefixed": func(lines []string) []string {
		lines = PrefixLines(func(i int) string { return fmt.Sprintf("17:08:%02d ", i%60) })(lines)
		slices.Reverse(lines)
		return lines
	},
	"among others": func(lines []string) (out []string) {
		for i, l := range PrefixLines(func(i int) string { return fmt.Sprintf("17:08:%02d daemon: ", i%60) })(lines) {
			out = append(out, l, fmt.Sprintf("17:08:%02d other: request %d took 3 ms: panics 0", i%60, i))
		}
		return out
	},
}

// mapLines returns f of each line.
func mapLines(lines []string, f func(i int, s string) string) (out []string) {
	for i, s := range lines {
		out = append(out, f(i, s))
	}
	return out
}

// PrefixLines returns a wrapper that puts the prefix of line i before each line.
func PrefixLines(prefix func(i int) string) func([]string) []string {
	return func(lines []string) []string {
		return mapLines(lines, func(i int, s string) string { return prefix(i) + s })
	}
}

// JSONLines returns a wrapper that replaces each line by a value in JSON.
func JSONLines(value func(s string) any) func([]string) []string {
	return func(lines []string) []string {
		return mapLines(lines, func(_ int, s string) string {
			line, _ := json.Marshal(value(s))
			return string(line)
		})
	}
}
