package race

import (
	_ "embed" // of the verdicts
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/window"
)

var (
	update = flag.Bool("update", false, "record the verdict on this Go in "+verdictFile)
	strict = flag.Bool("strict", false, "fail if this Go has windows of any kind")
)

// verdictFile holds the recorded verdicts: each line has a release and its kinds of window.
const verdictFile = "testdata/verdicts.txt"

// verdicts is what verdictFile held when the test was built.
//
//go:embed testdata/verdicts.txt
var verdicts string

// goVersion is this Go's name for itself, without experiments.
func goVersion() string { return strings.Fields(runtime.Version())[0] }

// recorded returns the kinds of window that verdictFile has for a release, and whether it
// has the release.
func recorded(t *testing.T, release string) (kinds []string, ok bool) {
	for _, line := range strings.Split(verdicts, "\n") {
		name, rest, _ := strings.Cut(line, ":")
		if name != release {
			continue
		}
		for _, kind := range strings.Split(rest, ",") {
			if kind = strings.TrimSpace(kind); kind != "" {
				require.Contains(t, window.KindNames(), kind, "%s: %s", verdictFile, release)
				kinds = append(kinds, kind)
			}
		}
		return kinds, true
	}
	return nil, false
}

// expectedKinds returns the kinds of window that this Go's victims must have: the recorded
// ones, or else those that the finder finds in any victim. Then every victim for which the
// assembler's rule makes a window of the kind must have it.
func expectedKinds(t *testing.T) []string {
	if kinds, ok := recorded(t, goVersion()); ok && !*update {
		return kinds
	}
	return guest.Static().Affected
}

// decide fails the test unless the kinds of window of which victims died are those that
// pass; see the table in the package comment. It logs what the kinds are. Kinds that another
// test proves are not looked at.
func decide(t *testing.T, what string, affected []string, elsewhere func(kind string) bool) {
	kinds, ok := recorded(t, goVersion())
	kinds = slices.DeleteFunc(kinds, elsewhere)
	note, problem := judge(goVersion(), affected, kinds, ok && !*update, *strict)
	t.Logf("%s: %s", what, note)
	if problem != "" {
		t.Error(problem)
	}
}

// judge returns what to say about a release that has the affected kinds of window, and
// what is wrong with it: "" if it passes.
func judge(release string, affected, recorded []string, isRecorded, strict bool) (note, problem string) {
	names := strings.Join(affected, ", ")
	if names == "" {
		names = "nothing"
	}
	note = fmt.Sprintf("%s; affected: %s", release, names)
	if !isRecorded {
		note = fmt.Sprintf("%s is not recorded; affected: %s", release, names)
	}
	switch {
	case isRecorded && !slices.Equal(affected, recorded):
		problem = fmt.Sprintf("%s: victims died of [%s], and %s has [%s]", release, strings.Join(affected, ", "), verdictFile, strings.Join(recorded, ", "))
	case strict && len(affected) > 0:
		problem = fmt.Sprintf("%s is affected, and -strict wants a Go that is not: %s", release, names)
	}
	return note, problem
}

// record writes the verdict on this Go to the file.
func record(t *testing.T, kinds []string) {
	data, err := os.ReadFile(verdictFile)
	require.NoError(t, err)
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(data)), "\n"), func(line string) bool {
		return strings.HasPrefix(line, goVersion()+":")
	})
	lines = append(lines, strings.TrimSpace(goVersion()+": "+strings.Join(kinds, ", ")))
	slices.Sort(lines)
	require.NoError(t, os.WriteFile(verdictFile, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
}

// TestSplitADDVerdictFile checks the form of the whole file.
func TestSplitADDVerdictFile(t *testing.T) {
	for _, line := range strings.Split(strings.TrimSpace(verdicts), "\n") {
		version, kinds, ok := strings.Cut(line, ":")
		require.True(t, ok, line)
		require.Regexp(t, `^go1\.[0-9]+(\.[0-9]+)?$`, version)
		for _, kind := range strings.Split(kinds, ",") {
			require.Contains(t, append(window.KindNames(), ""), strings.TrimSpace(kind), line)
		}
	}
}

// TestJudge has each row of the table in the package comment.
func TestJudge(t *testing.T) {
	sp, none := []string{"leaf SP"}, []string(nil)
	for _, c := range []struct {
		affected, recorded []string
		isRecorded, strict bool
		note               string
		fails              bool
	}{
		{sp, sp, true, false, "go1.27.5; affected: leaf SP", false},
		{none, none, true, false, "go1.27.5; affected: nothing", false},
		{none, sp, true, false, "go1.27.5; affected: nothing", true},
		{sp, none, true, false, "go1.27.5; affected: leaf SP", true},
		{sp, none, false, false, "go1.27.5 is not recorded; affected: leaf SP", false},
		{none, none, false, false, "go1.27.5 is not recorded; affected: nothing", false},
		{sp, sp, true, true, "go1.27.5; affected: leaf SP", true},
		{sp, none, false, true, "go1.27.5 is not recorded; affected: leaf SP", true},
		{none, none, false, true, "go1.27.5 is not recorded; affected: nothing", false},
		{none, none, true, true, "go1.27.5; affected: nothing", false},
	} {
		note, problem := judge("go1.27.5", c.affected, c.recorded, c.isRecorded, c.strict)
		assert.Equal(t, c.note, note, "%+v", c)
		assert.Equal(t, c.fails, problem != "", "%+v: %s", c, problem)
	}
}
