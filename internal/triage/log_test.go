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
	publicFolder = corpusFolder + "/public" // logs written from the facts of public issues
)

// binaryOf returns a binary that has only the windows in an entry's headers.
func binaryOf(e crashtest.Entry) *Binary { return &Binary{Path: "daemon", Windows: e.Windows} }

// answers returns the answers on the crashes in a log, with their reasons.
func answers(t testing.TB, data []byte, b *Binary) []string { return list(t, data, b, false) }

// list is like answers. If issues is true, it adds the numbers of issues.
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

// TestCorpus compares the answers on the logs of the corpus with the indexes, with the windows in
// the headers and without. It also compares the release and the architecture that the log shows.
// If a log has several crashes, the answers have " | " between them. An index may leave out the
// reason of an answer.
func TestCorpus(t *testing.T) {
	made := 0
	for folder, least := range map[string]int{corpusFolder: 40, publicFolder: 100} {
		rows := crashtest.Index(t, folder)
		for i := range rows {
			row := &rows[i]
			if row.WithBinary != "-" {
				made++
			}
			t.Run(filepath.Base(folder)+"/"+row.File, func(t *testing.T) { checkRow(t, crashtest.Read(t, filepath.Join(folder, row.File)), row) })
		}
		if *update {
			crashtest.WriteIndex(t, folder, rows)
		}
		assert.GreaterOrEqual(t, len(rows), least)
	}
	assert.GreaterOrEqual(t, made, 25, "logs made by this project's programs")
}

// checkRow compares the answers on a log with its row of an index.
func checkRow(t *testing.T, e crashtest.Entry, row *crashtest.Row) {
	for _, c := range []struct {
		want   *string
		binary *Binary
	}{{&row.WithBinary, binaryOf(e)}, {&row.WithoutBinary, nil}} {
		if *c.want == "-" {
			continue
		}
		got := list(t, e.Log, c.binary, true)
		if *update {
			*c.want = strings.Join(got, " | ")
		}
		assert.True(t, same(got, *c.want), "binary %v: got %q, want %q", c.binary != nil, got, *c.want)
		for _, a := range got {
			assert.False(t, c.binary == nil && strings.HasPrefix(a, "split"), "without the binary: %s", a)
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

// same reports whether the answers are those of an index, which may leave out reasons.
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

// TestNotForeign keeps only the first lines of crashes on arm64, with paths as in a cross-built
// program without -trimpath. The host that built it is in every path, and in a line above. No
// answer is that the process ran on another architecture.
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

// weaker reports whether an answer is one of others, or decides nothing, or is "not this" for
// another reason than one of the others.
func weaker(answer string, than ...string) bool {
	for _, t := range than {
		if answer == t || strings.HasPrefix(answer, string(NotThis)) && strings.HasPrefix(t, string(NotThis)) {
			return true
		}
	}
	return strings.HasPrefix(answer, string(Undecided))
}

// TestWrapped wraps every log in every way. The answers stay the same.
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

// TestCut cuts logs at the end of a line and at other places, at all of them or at a sample. The
// rest of a log never gives a stronger or a different answer.
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
			// Try the end of each line near the beginning, of some other lines, and places within lines.
			if (c == '\n' && (lines < 40 || lines%25 == 0) || i%1997 == 0) && sampled(8, e.Path, i) {
				check(e.Log[:i], "to", i)
				check(e.Log[i:], "from", i)
			}
		}
	}
}

// TestTwo joins each two logs, or a sample of them, and uses the binary of the first.
func TestTwo(t *testing.T) {
	entries := crashtest.Corpus(t, crashFolder)
	for _, a := range entries {
		first := answers(t, a.Log, binaryOf(a))
		for _, b := range entries {
			if len(b.Log) > 20<<10 || !sampled(20, a.Path, b.Path) {
				continue // it would take long
			}
			second := answers(t, b.Log, binaryOf(a))
			for _, got := range answers(t, append(append(append([]byte(nil), a.Log...), '\n'), b.Log...), binaryOf(a)) {
				assert.True(t, weaker(got, append(first[:len(first):len(first)], second...)...), "%s and %s: %s", a.Path, b.Path, got)
			}
		}
	}
}

// FuzzLog reads arbitrary logs with a binary that has all windows of the corpus, and without a
// binary. Without one, no answer is a split.
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
