package crash

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/crash/crashtest"
	"splitadd/internal/objfile/objtest"
	"splitadd/internal/window"
)

var update = flag.Bool("update", false, "write what the classifier says into the corpus")

// answer returns the headers of the corpus for a death.
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

func TestCorpus(t *testing.T) {
	for _, e := range crashtest.Corpus(t, ".") {
		t.Run(filepath.Base(e.Path), func(t *testing.T) {
			got := answer(Classify(e.Log, e.Windows))
			var want, rest []string
			for _, line := range e.Header {
				if key, _, _ := strings.Cut(line, ":"); key == "kind" || key == "at" || key == "evidence" {
					want = append(want, line)
				} else {
					rest = append(rest, line)
				}
			}
			if *update {
				head := strings.Join(append(got, rest...), "\n")
				require.NoError(t, os.WriteFile(e.Path, append([]byte(head+"\n\n"), e.Log...), 0o644))
				return
			}
			assert.Equal(t, want, got)
		})
	}
}

// TestNoWindow classifies the logs without windows. A split becomes an unwind failure, and
// all other answers stay the same.
func TestNoWindow(t *testing.T) {
	for _, e := range crashtest.Corpus(t, ".") {
		with, without := Classify(e.Log, e.Windows), Classify(e.Log, nil)
		if with.Kind == SplitSP || with.Kind == SplitFP {
			assert.Equal(t, Unwind, without.Kind, e.Path)
			assert.Nil(t, without.Window, e.Path)
		} else {
			assert.Equal(t, with, without, e.Path)
		}
	}
}

// TestOtherClass swaps the classes of the windows. A death is not attributed to a window of
// the pointer that its unwinder does not follow.
func TestOtherClass(t *testing.T) {
	for _, e := range crashtest.Corpus(t, ".") {
		for i := range e.Windows {
			e.Windows[i].Class = map[window.Class]window.Class{window.SP: window.FP, window.FP: window.SP}[e.Windows[i].Class]
		}
		d := Classify(e.Log, e.Windows)
		if d.ByPC {
			t.Errorf("%s: %v", e.Path, d)
		}
	}
}

// TestCauses checks the table. No entry is empty or has the name of another one, none matches
// an empty log, and each has what an answer needs. Each is the cause of a log of the corpus,
// so no earlier entry shadows it.
func TestCauses(t *testing.T) {
	names := map[string]bool{}
	for i := range Causes {
		c := &Causes[i]
		assert.NotEmpty(t, c.Name)
		assert.False(t, names[c.Name], "two entries have the name %s", c.Name)
		names[c.Name] = true
		assert.NotEmpty(t, c.Kind, c.Name)
		_, anything := c.matches(&Facts{})
		assert.False(t, anything, c.Name)
		assert.Equal(t, c.Attribution == MaybeWindow, c.Class != "", "%s: Class is set if a window may be the cause", c.Name)
		assert.Equal(t, c.Attribution == ManyCauses, c.Settle != "", "%s: Settle is set if there are many causes", c.Name)
		assert.True(t, c.Attribution != ManyCauses || c.Summary != "", "%s: Summary is set if there are many causes", c.Name)
		assert.Equal(t, len(c.Fixed) > 0, c.UnaffectedNote != "", "%s: UnaffectedNote is set if Fixed is", c.Name)
	}
	for _, e := range append(crashtest.Corpus(t, "."), crashtest.Public(t, ".")...) {
		for _, log := range append(Logs(e.Log), Log{Text: e.Log}) {
			if c := Classify(log.Text, nil).Cause; c != nil {
				delete(names, c.Name)
			}
		}
	}
	assert.Empty(t, names, "entries that are not the cause of any log of the corpus")
	for _, class := range []window.Class{window.SP, window.FP} {
		require.NotNil(t, UnwinderFault(class))
	}
}

func TestNothing(t *testing.T) {
	assert.Equal(t, Death{}, Classify(nil, nil))
	assert.Equal(t, Death{}, Classify([]byte("hello\n"), nil))
}

// TestTwoThreads has two threads that die at the same time, because they found words that
// are not return addresses. One prints a dump of its stack between "fatal error: " and the
// text of the other's error.
func TestTwoThreads(t *testing.T) {
	log := []byte("runtime: g 7: unexpected return pc for main.f called from 0xe8e8\nruntime: g 8: unexpected return pc for main.f called from 0xe8e8\n" +
		"stack: frame={sp:0x10, fp:0x20} stack=[0x0,0x1000)\nfatal error:                    7 6 5 4  3 2 1 0   f e d c  b a 9 8  0123456789abcdef\n" +
		"00000010: 00000000 00000010\nunknown caller pc\n\nruntime stack:\nruntime.throw({0x1?, 0x2?})\n\truntime/panic.go:1 +0x2\n\n" +
		"goroutine 7 [preempted (scan)]:\nruntime.asyncPreempt()\n\truntime/preempt_arm64.s:44 +0x88\nmain.f()\n\tmain.go:7 +0x94\n")
	w := window.Window{Class: window.SP, Func: "main.f", PC: 0x94, Preemptible: true}
	d := Classify(log, []window.Window{w})
	assert.Equal(t, Death{SplitSP, d.Cause, "unexpected return pc for main.f called from 0xe8e8", &w, true}, d)
}

func FuzzClassify(f *testing.F) {
	var windows []window.Window
	for _, e := range crashtest.Corpus(f, ".") {
		windows = append(windows, e.Windows...)
	}
	for _, log := range crashtest.AllLogs(f, ".") {
		f.Add(log)
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		var d Death
		objtest.RunBounded(t, func() { d = Classify(log, windows) })
		if len(d.Evidence) > maxEvidence {
			t.Errorf("evidence of %d bytes", len(d.Evidence))
		}
		if split := d.Kind == SplitSP || d.Kind == SplitFP; split != (d.Window != nil) {
			t.Errorf("%v with window %v", d.Kind, d.Window)
		}
	})
}

// TestExcerpt makes excerpts of all logs of the corpus. They are short, and they have the
// fatal error if the log has one. The excerpt of a made-up log has the preempted goroutine.
func TestExcerpt(t *testing.T) {
	logs, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, logs)
	for _, name := range logs {
		log, err := os.ReadFile(name)
		require.NoError(t, err)
		excerpt := Excerpt(log, "main.victim")
		assert.LessOrEqual(t, strings.Count(excerpt, "\n"), maxHead+maxTail+4, "%s", name)
		if i := strings.Index(string(log), "\nfatal error: "); i >= 0 {
			assert.Contains(t, excerpt, "fatal error: ", "%s", name)
		}
	}
	long := strings.Repeat("x\n", 20) + "fatal error: y\n\ngoroutine 1 [running]:\nruntime.asyncPreempt2()\na.go:1\nother(0)\n\n" +
		"goroutine 2 [preempted (scan)]:\nruntime.asyncPreempt2()\n\ta.go:1\nmain.victim(0x0)\n\tb.go:2\n\ngoroutine 3 [idle]:\n" + strings.Repeat("é", 300)
	assert.Equal(t, strings.Repeat("x\n", 12)+"[8 lines cut]\nfatal error: y\n[6 lines cut]\ngoroutine 2 [preempted (scan)]:\nruntime.asyncPreempt2()\n\ta.go:1\nmain.victim(0x0)\n\tb.go:2\n[3 lines cut]", Excerpt([]byte(long), "main.victim"))
	assert.Equal(t, "", Excerpt(nil, ""))
}

// TestExcerptGoroutine has logs with several goroutines that were preempted in the same
// function. The excerpt has the one that could not be unwound.
func TestExcerptGoroutine(t *testing.T) {
	for name, want := range map[string]string{
		"go1.27.4-sp-leaf65552-gc-stress":    "goroutine 34 ", // named by the unwinder
		"go1.27.4-fp-leaf69632-trace-stress": "goroutine 39 ", // running when its thread faulted
		"go1.25.12-sp-leaf65552-gc":          "goroutine 19 ",
	} {
		log, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
		require.NoError(t, err)
		excerpt := Excerpt(log, "splitadd/internal/victim."+strings.Split(name, "-")[2])
		last := excerpt[strings.LastIndex(excerpt, "\ngoroutine ")+1:]
		assert.True(t, strings.HasPrefix(last, want), "%s: %s", name, last)
	}
	block := func(id, status string) string {
		return "\ngoroutine " + id + " [" + status + "]:\nruntime.asyncPreempt2()\n\ta.go:1\nmain.victim(0x0)\n\tb.go:2\n"
	}
	head := strings.Repeat("x\n", 20)
	assert.Contains(t, Excerpt([]byte(head+block("1", "preempted")+block("2", "preempted (scan)")+block("3", "preempted")), "main.victim"), "goroutine 2 ", "scanned at the time")
	assert.NotContains(t, Excerpt([]byte("runtime: g 9: frame.sp=0x10 top=0x20\n"+head+block("1", "preempted (scan)")), "main.victim"), "goroutine 1 ", "not the one that is named")
}
