package survey

import (
	"go/version"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/window"
)

// measured returns the kinds of window of each release of race/testdata/verdicts.txt.
func measured(t *testing.T) map[string][]string {
	data, err := os.ReadFile("../../race/testdata/verdicts.txt")
	require.NoError(t, err)
	releases := map[string][]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		release, kinds, ok := strings.Cut(line, ":")
		require.True(t, ok && version.IsValid(release), line)
		for _, kind := range strings.Split(kinds, ",") {
			releases[release] = append(releases[release], strings.TrimSpace(kind))
		}
	}
	require.NotEmpty(t, releases)
	return releases
}

var releaseName = regexp.MustCompile(`go1\.[0-9]+(\.[0-9]+)?`)

// fixed reports whether a release is in first, the first patch releases without a
// window, or later than the one of its minor release. If its minor release has none, the
// release has to be later than all of them.
func fixed(release string, first []string) bool {
	for _, f := range first {
		if version.Lang(f) == version.Lang(release) {
			return version.Compare(release, f) >= 0
		}
	}
	return !slices.ContainsFunc(first, func(f string) bool { return version.Compare(release, f) < 0 })
}

// TestRemedies compares the releases that the remedies name with the measured verdicts.
// A measured release has the kind exactly if it is older than the fix, and every
// release that is named as a fix was measured.
func TestRemedies(t *testing.T) {
	releases := measured(t)
	for _, kind := range []string{"non-leaf SP", window.StaleFP, string(window.Pointer)} {
		k, ok := window.KindNamed(kind)
		require.True(t, ok, kind)
		sentence := k.Remedy
		require.Contains(t, Remedies([]string{kind}), kind+": "+sentence)
		require.Equal(t, k.Fixed, releaseName.FindAllString(sentence, -1))
		first := releaseName.FindAllString(sentence, -1)
		require.NotEmpty(t, first, sentence)
		for _, f := range first {
			assert.Contains(t, releases, f, "%s: named as a fix, and never measured", kind)
		}
		for release, kinds := range releases {
			if kind == window.StaleFP && version.Compare(release, "go1.21") < 0 {
				continue // the tracer does not unwind by frame pointer there
			}
			assert.Equal(t, !fixed(release, first), slices.Contains(kinds, kind), "%s, %s: %s", release, kind, sentence)
		}
	}
	for _, kind := range []string{"leaf SP", "leaf FP"} {
		sentence := Remedies([]string{kind})[1]
		newest := releaseName.FindString(sentence)
		require.Contains(t, sentence, "no release up to "+newest+" removes it")
		for release := range releases {
			assert.LessOrEqual(t, version.Compare(release, newest), 0, "%s is measured, and newer than what the remedy names", release)
		}
		assert.Contains(t, releases[newest], kind)
		if kind == "leaf SP" { // leaf FP began with go1.21.7
			for release, kinds := range releases {
				assert.Contains(t, kinds, kind, release)
			}
		}
	}
}
