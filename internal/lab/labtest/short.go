package labtest

import (
	"slices"
	"testing"
)

// Long skips a test in the -short mode of "make test".
func Long(tb testing.TB, what string) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("long: " + what + ": make test-all")
	}
}

// Few returns every nth case, beginning with the first, in the -short mode of
// "make test". Otherwise it returns all of them.
func Few[T any](tb testing.TB, n int, all []T) (few []T) {
	tb.Helper()
	if !testing.Short() {
		return all
	}
	for i := 0; i < len(all); i += n {
		few = append(few, all[i])
	}
	tb.Logf("long: %d of %d cases: make test-all", len(few), len(all))
	return few
}

// shortReleases are the releases that tests use in -short mode: one before the fix of
// non-leaf functions and one after it.
var shortReleases = []string{"go1.23.4", "go1.27.4", "local"}

// LeftOut reports whether a test must do without a release: in -short mode all tests use
// the same few, so that few are fetched and few libraries are built.
func LeftOut(tb testing.TB, release string) bool {
	tb.Helper()
	if !testing.Short() || slices.Contains(shortReleases, release) {
		return false
	}
	tb.Logf("long: %s: make test-all", release)
	return true
}
