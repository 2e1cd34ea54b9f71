package triage

import (
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/crash"
	"splitadd/internal/crash/crashtest"
	"splitadd/internal/objfile/objtest"
)

var update = flag.Bool("update", false, "write the answers into the corpus")

const (
	crashFolder  = "../crash"
	corpusFolder = crashFolder + "/testdata"
	publicFolder = corpusFolder + "/public" // written to the facts of public issues
)

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
		assert.True(t, v.Answer.Split() == (v.Window != nil) && v.Answer.Split() != (v.Reason != ""), "%+v", v)
		assert.Equal(t, v.Answer == Undecided, v.Settle != "", "what would settle it: %+v", v)
		text := string(v.Answer)
		if v.Reason != "" {
			text += ": " + v.Reason
		}
		if len(v.Issues) > 0 && issues {
			text += fmt.Sprint(" ", v.Issues)
		}
		all = append(all, text)
	}
	return all
}

// TestCorpus compares the answers with those of the indexes of the corpus: with
// the binary's windows, and without the binary. What the log shows of the release
// and of the architecture is what the index says. Answers on several crashes in a
// log have " | " between them. An index may leave out why.
func TestCorpus(t *testing.T) {
	made := 0
	for folder, least := range map[string]int{corpusFolder: 40, publicFolder: 100} {
		rows := crashtest.Index(t, folder)
		for i := range rows {
			row := &rows[i]
			if row.WithBinary != "-" {
				made++
			}
			t.Run(filepath.Base(folder)+"/"+row.File, func(t *testing.T) { ask(t, crashtest.Read(t, filepath.Join(folder, row.File)), row) })
		}
		if *update {
			crashtest.WriteIndex(t, folder, rows)
		}
		assert.GreaterOrEqual(t, len(rows), least)
	}
	assert.GreaterOrEqual(t, made, 25, "made by this project's own programs")
}

// ask compares the answers on a log with its row.
func ask(t *testing.T, e crashtest.Entry, row *crashtest.Row) {
	for _, ask := range []struct {
		want   *string
		binary *Binary
	}{{&row.WithBinary, binaryOf(e)}, {&row.WithoutBinary, nil}} {
		if *ask.want == "-" {
			continue
		}
		got := list(t, e.Log, ask.binary, true)
		if *update {
			*ask.want = strings.Join(got, " | ")
		}
		assert.True(t, same(got, *ask.want), "binary %v: got %q, want %q", ask.binary != nil, got, *ask.want)
		for _, a := range got {
			assert.False(t, ask.binary == nil && strings.HasPrefix(a, "split"), "without the binary: %s", a)
		}
	}
	f := crash.FactsOf(e.Log)
	if row.Arch != "-" && f.Arch != "" {
		assert.Equal(t, row.Arch, f.Arch)
	}
	assert.False(t, f.NotARM64 != "" && row.Arch == "arm64", "taken for another architecture: %s", f.NotARM64)
	if row.Go != "-" && f.BuiltBy != "" {
		final, _, _ := strings.Cut(strings.Replace(row.Go, "rc", "beta", 1), "beta") // a folder's name may leave it out
		assert.Contains(t, []string{row.Go, final}, f.BuiltBy)
	}
}

// same reports whether answers are those of the index, which may leave out why.
func same(got []string, want string) bool {
	wanted := strings.Split(want, " | ")
	if len(got) != len(wanted) {
		return false
	}
	for i, w := range wanted {
		if got[i] != w && !strings.HasPrefix(got[i], w+":") && !strings.HasPrefix(got[i], w+" [") {
			return false
		}
	}
	return true
}

// TestNotForeign keeps only the first lines of crashes on arm64, as they are
// cross-built without -trimpath: the host that built them is in every path, and
// in a line beside them. None is of another architecture.
func TestNotForeign(t *testing.T) {
	for _, row := range crashtest.Index(t, corpusFolder) {
		if row.Arch != "arm64" {
			continue
		}
		e := crashtest.Read(t, filepath.Join(corpusFolder, row.File))
		log := strings.ReplaceAll(string(e.Log), "\truntime/", "\t/root/go/pkg/mod/golang.org/toolchain@v0.0.1-go1.23.4.linux-amd64/src/runtime/")
		lines := strings.SplitAfter("daemon v1.2 (linux/amd64) starts\n"+log, "\n")
		for n := range min(len(lines), 24) {
			for _, a := range append(answers(t, []byte(strings.Join(lines[:n], "")), nil), answers(t, []byte(strings.Join(lines[:n], "")), binaryOf(e))...) {
				assert.NotContains(t, a, "another architecture", "%s, %d lines", row.File, n)
			}
		}
	}
}

// weaker reports whether an answer is one of others, or decides nothing. Less of a
// log may exclude this defect for another reason.
func weaker(answer string, than ...string) bool {
	for _, t := range than {
		if answer == t || strings.HasPrefix(answer, string(NotThis)) && strings.HasPrefix(t, string(NotThis)) {
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
		for name, wrap := range crashtest.Wrappers {
			got := answers(t, []byte(strings.Join(wrap(lines), "\n")), binaryOf(e))
			assert.Equal(t, want, got, "%s, %s", e.Path, name)
		}
	}
}

// TestCut cuts every log at every line, and here and there within one, or at a
// sample of these: what is left never says anything else.
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
			if (c == '\n' && (lines < 40 || lines%25 == 0) || i%1997 == 0) && sampled(8, e.Path, i) {
				check(e.Log[:i], "to", i)
				check(e.Log[i:], "from", i)
			}
		}
	}
}

// TestTwo concatenates every two logs, or a sample of them, against the binary of
// the first.
func TestTwo(t *testing.T) {
	entries := crashtest.Corpus(t, crashFolder)
	for _, a := range entries {
		first := answers(t, a.Log, binaryOf(a))
		for _, b := range entries {
			if len(b.Log) > 20<<10 || !sampled(20, a.Path, b.Path) {
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
	for _, log := range crashtest.AllLogs(f, crashFolder) {
		f.Add(log)
	}
	for _, e := range crashtest.Corpus(f, crashFolder) {
		all.Windows = append(all.Windows, e.Windows...)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		objtest.RunBounded(t, func() { _, _ = logs("log", data, &all) })
		answers(t, data, &all)
		for _, a := range answers(t, data, nil) {
			if strings.HasPrefix(a, "split") {
				t.Errorf("without a binary: %s", a)
			}
		}
	})
}
