package crash

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/window"
)

var update = flag.Bool("update", false, "write what the classifier says into the corpus")

// An entry of the corpus is a file in testdata: header lines, a blank line, and
// what a process printed. "window" headers are the windows of its binary,
// "kind" and "at" the expected answer.
type entry struct {
	header  []string // in order
	windows []window.Window
	log     []byte
}

func read(t testing.TB, path string) (e entry) {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	head, log, ok := bytes.Cut(data, []byte("\n\n"))
	require.True(t, ok, "%s: no blank line after the headers", path)
	e.header, e.log = strings.Split(string(head), "\n"), log
	for _, line := range e.header {
		key, value, ok := strings.Cut(line, ": ")
		require.True(t, ok, "%s: header %q", path, line)
		if key != "window" {
			continue
		}
		var leaf, class, function string
		var offset uint64
		_, err := fmt.Sscanf(strings.Replace(value, "+0x", " 0x", 1), "%s %s %s %v", &leaf, &class, &function, &offset)
		require.NoError(t, err, "%s: %q", path, line)
		e.windows = append(e.windows, window.Window{
			Class: window.Class(class), Leaf: leaf == "leaf", Func: function, Entry: 0x10000, PC: 0x10000 + offset, Preemptible: true,
		})
	}
	return e
}

// answer returns the headers that state a death.
func answer(d Death) []string {
	lines := []string{"kind: " + string(d.Kind)}
	if d.Window != nil {
		by := "function"
		if d.ByPC {
			by = "pc"
		}
		lines = append(lines, fmt.Sprintf("at: %s+%#x by %s", d.Window.Func, d.Window.Offset(), by))
	}
	return append(lines, "evidence: "+d.Evidence)
}

func corpus(t testing.TB) []string {
	paths, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	return paths
}

func TestCorpus(t *testing.T) {
	for _, path := range corpus(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			e := read(t, path)
			got := answer(Classify(e.log, e.windows))
			var want, rest []string
			for _, line := range e.header {
				if key, _, _ := strings.Cut(line, ":"); key == "kind" || key == "at" || key == "evidence" {
					want = append(want, line)
				} else {
					rest = append(rest, line)
				}
			}
			if *update {
				head := strings.Join(append(got, rest...), "\n")
				require.NoError(t, os.WriteFile(path, append([]byte(head+"\n\n"), e.log...), 0o644))
				return
			}
			assert.Equal(t, want, got)
		})
	}
}

// TestNoWindow takes the windows away: what is left of a split is an unwind
// failure, and of nothing else does anything change.
func TestNoWindow(t *testing.T) {
	for _, path := range corpus(t) {
		e := read(t, path)
		with, without := Classify(e.log, e.windows), Classify(e.log, nil)
		if with.Kind == SplitSP || with.Kind == SplitFP {
			assert.Equal(t, Unwind, without.Kind, path)
			assert.Nil(t, without.Window, path)
		} else {
			assert.Equal(t, with, without, path)
		}
	}
}

// TestOtherClass turns the classes of the windows round: a death is not laid
// to a window of the pointer that its unwinder does not follow.
func TestOtherClass(t *testing.T) {
	for _, path := range corpus(t) {
		e := read(t, path)
		for i := range e.windows {
			e.windows[i].Class = map[window.Class]window.Class{window.SP: window.FP, window.FP: window.SP}[e.windows[i].Class]
		}
		d := Classify(e.log, e.windows)
		if d.ByPC {
			t.Errorf("%s: %v", path, d)
		}
	}
}

// TestSignatures forbids entries that are empty, that are there twice, that
// match anything, and that no log of the corpus reaches: an entry that an
// earlier one shadows is not reached.
func TestSignatures(t *testing.T) {
	names := map[string]bool{}
	for _, s := range signatures {
		assert.NotEmpty(t, s.name)
		assert.False(t, names[s.name], "%s is there twice", s.name)
		names[s.name] = true
		assert.NotEmpty(t, s.kind, s.name)
		assert.False(t, s.match.MatchString(""), s.name)
	}
	for _, path := range corpus(t) {
		e := read(t, path)
		for _, s := range signatures {
			if s.match.Match(e.log) {
				delete(names, s.name)
				break
			}
		}
	}
	assert.Empty(t, names, "signatures that no log of the corpus reaches")
}

func TestNothing(t *testing.T) {
	assert.Equal(t, Death{}, Classify(nil, nil))
	assert.Equal(t, Death{}, Classify([]byte("hello\n"), nil))
}

func FuzzClassify(f *testing.F) {
	var windows []window.Window
	for _, path := range corpus(f) {
		e := read(f, path)
		windows = append(windows, e.windows...)
		f.Add(e.log)
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		d := Classify(log, windows)
		if len(d.Evidence) > maxEvidence {
			t.Errorf("evidence of %d bytes", len(d.Evidence))
		}
		if split := d.Kind == SplitSP || d.Kind == SplitFP; split != (d.Window != nil) {
			t.Errorf("%v with window %v", d.Kind, d.Window)
		}
	})
}

// TestCut cuts every log of the corpus: it is short, says what the process died
// of, and shows the preempted goroutine where the log has it.
func TestCut(t *testing.T) {
	logs, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, logs)
	for _, name := range logs {
		log, err := os.ReadFile(name)
		require.NoError(t, err)
		cut := Cut(log, "main.victim")
		assert.LessOrEqual(t, strings.Count(cut, "\n"), maxHead+maxTail+4, "%s", name)
		if i := strings.Index(string(log), "\nfatal error: "); i >= 0 {
			assert.Contains(t, cut, "fatal error: ", "%s", name)
		}
	}
	long := strings.Repeat("x\n", 20) + "fatal error: y\n\ngoroutine 1 [running]:\nruntime.asyncPreempt2()\na.go:1\nother(0)\n\n" +
		"goroutine 2 [preempted (scan)]:\nruntime.asyncPreempt2()\n\ta.go:1\nmain.victim(0x0)\n\tb.go:2\n\ngoroutine 3 [idle]:\n" + strings.Repeat("é", 300)
	assert.Equal(t, strings.Repeat("x\n", 12)+"[8 lines cut]\nfatal error: y\n[6 lines cut]\ngoroutine 2 [preempted (scan)]:\nruntime.asyncPreempt2()\n\ta.go:1\nmain.victim(0x0)\n\tb.go:2\n[3 lines cut]", Cut([]byte(long), "main.victim"))
	assert.Equal(t, "", Cut(nil, ""))
}
