package triage

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
)

var update = flag.Bool("update", false, "write the answers into the corpus")

const crashFolder = "../crash"

// binaryOf is the binary of an entry, as far as the entry tells: its windows.
func binaryOf(e crashtest.Entry) *Binary { return &Binary{Path: "daemon", Windows: e.Windows} }

// answers are those on the crashes in a log.
func answers(t testing.TB, data []byte, b *Binary) []string { return list(t, data, b, false) }

// list lists the answers, with the issues of the known defect, if they are wanted.
func list(t testing.TB, data []byte, b *Binary, issues bool) (all []string) {
	verdicts, err := logs("log", data, b)
	require.NoError(t, err)
	for _, v := range verdicts {
		assert.LessOrEqual(t, len(v.Evidence), maxEvidence)
		assert.True(t, v.Answer.Split() == (v.Window != nil) && v.Answer.Split() != (v.Why != ""), "%+v", v)
		assert.Equal(t, v.Answer == Undecided, v.Settle != "", "what would settle it: %+v", v)
		text := string(v.Answer)
		if v.Why != "" {
			text += ": " + v.Why
		}
		if v.Neighbour != nil && issues {
			text += fmt.Sprint(" ", v.Neighbour.Issues)
		}
		all = append(all, text)
	}
	return all
}

// TestCorpus compares the answers with those that the corpus states: with the
// binary's windows ("triage"), and without the binary ("bare").
func TestCorpus(t *testing.T) {
	entries := crashtest.Corpus(t, crashFolder)
	made := 0
	for _, e := range entries {
		if len(e.Get("go")) > 0 {
			made++
		}
		t.Run(filepath.Base(e.Path), func(t *testing.T) {
			with, bare := list(t, e.Log, binaryOf(e), true), list(t, e.Log, nil, true)
			for _, a := range bare {
				assert.False(t, strings.HasPrefix(a, "split"), "without the binary: %s", a)
			}
			if *update {
				var head []string
				for _, line := range e.Header {
					if key, _, _ := strings.Cut(line, ":"); key != "triage" && key != "bare" {
						head = append(head, line)
					}
				}
				for _, a := range with {
					head = append(head, "triage: "+a)
				}
				for _, a := range bare {
					head = append(head, "bare: "+a)
				}
				require.NoError(t, os.WriteFile(e.Path, append([]byte(strings.Join(head, "\n")+"\n\n"), e.Log...), 0o644))
				return
			}
			assert.Equal(t, e.Get("triage"), with)
			assert.Equal(t, e.Get("bare"), bare)
		})
	}
	assert.GreaterOrEqual(t, len(entries), 40)
	assert.GreaterOrEqual(t, made, 25, "made by this project's own programs")
}

// weaker reports whether an answer is one of others, or decides nothing.
func weaker(answer string, than ...string) bool {
	for _, t := range than {
		if answer == t {
			return true
		}
	}
	return strings.HasPrefix(answer, string(Undecided))
}

// TestWrapped wraps every log in every way.
func TestWrapped(t *testing.T) {
	for _, e := range crashtest.Corpus(t, crashFolder) {
		lines := strings.Split(strings.TrimSuffix(string(e.Log), "\n"), "\n")
		want := answers(t, e.Log, binaryOf(e))
		for name, wrap := range crashtest.Wraps {
			got := answers(t, []byte(strings.Join(wrap(lines), "\n")), binaryOf(e))
			assert.Equal(t, want, got, "%s, %s", e.Path, name)
		}
	}
}

// TestCut cuts every log at every line, and here and there within one: what is
// left never says anything else.
func TestCut(t *testing.T) {
	for _, e := range crashtest.Corpus(t, crashFolder) {
		want := answers(t, e.Log, binaryOf(e))
		check := func(part []byte, what string, at int) {
			for _, a := range answers(t, part, binaryOf(e)) {
				assert.True(t, weaker(a, want...), "%s, %s %d: %s, whole: %v", e.Path, what, at, a, want)
			}
		}
		lines := 0
		for i, c := range e.Log {
			if c == '\n' {
				lines++
			}
			// Every line where it matters, and some places within one.
			if c == '\n' && (lines < 40 || lines%25 == 0) || i%1997 == 0 {
				check(e.Log[:i], "to", i)
				check(e.Log[i:], "from", i)
			}
		}
	}
}

// TestTwo concatenates every two logs, against the binary of the first.
func TestTwo(t *testing.T) {
	entries := crashtest.Corpus(t, crashFolder)
	for _, a := range entries {
		first := answers(t, a.Log, binaryOf(a))
		for _, b := range entries {
			if len(b.Log) > 20<<10 {
				continue // they take long
			}
			second := answers(t, b.Log, binaryOf(a))
			for _, got := range answers(t, append(append(append([]byte(nil), a.Log...), '\n'), b.Log...), binaryOf(a)) {
				assert.True(t, weaker(got, append(first[:len(first):len(first)], second...)...), "%s and %s: %s", a.Path, b.Path, got)
			}
		}
	}
}

func FuzzLog(f *testing.F) {
	var all Binary
	for _, e := range crashtest.Corpus(f, crashFolder) {
		f.Add(e.Log)
		all.Windows = append(all.Windows, e.Windows...)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		answers(t, data, &all)
		for _, a := range answers(t, data, nil) {
			if strings.HasPrefix(a, "split") {
				t.Errorf("without a binary: %s", a)
			}
		}
	})
}
