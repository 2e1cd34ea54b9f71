// Package sweep finds which Go releases have each kind of window, and which release fixed it.
// It checks the newest patch release of each minor release. If an older minor release has a
// kind that the newest patch of a later one does not have, it searches the patches of the
// later one by bisection.
package sweep

import (
	"context"
	"fmt"
	"go/version"
	"slices"
	"strconv"
	"strings"

	"splitadd/internal/trial"
	"splitadd/internal/window"
)

// A Row is the result for one release.
type Row struct {
	Go          string
	Verdict     trial.Verdict
	Unavailable string // why the release was not available; "" if it was, and Verdict is set
}

// Has reports whether the release has windows of a kind.
func (r Row) Has(kind string) bool { return slices.Contains(r.Verdict.Affected, kind) }

// A Fix says which patch of a minor release fixed a kind of window.
type Fix struct {
	Kind         string
	LastAffected string   // the last release that is known to have the kind
	FirstFixed   string   // the first release that is known not to have it
	Untested     []string // the releases between the two, which were not available
}

// A Sweep checks releases.
type Sweep struct {
	// Releases are the releases that are known to exist, in any order. Others may exist.
	Releases []string
	// Check returns the verdict on one release. If IsUnavailable reports true for its error,
	// the sweep goes on without that release. Any other error ends the sweep.
	Check         func(ctx context.Context, release string) (trial.Verdict, error)
	IsUnavailable func(error) bool
	Known         map[string]trial.Verdict // verdicts of an earlier sweep, by release

	rows map[string]Row
}

// Result is the result of a sweep.
type Result struct {
	Rows  []Row // by release: the newest patch of each minor release, and the patches that the search for fixes checked
	Fixes []Fix
}

// Affected reports whether a release is affected. It is an error if none of the available
// releases is affected and some were not available, because those may be affected.
func (r Result) Affected() (affected bool, err error) {
	var unavailable []string
	for _, row := range r.Rows {
		affected = affected || len(row.Verdict.Affected) > 0
		if row.Unavailable != "" {
			unavailable = append(unavailable, row.Go)
		}
	}
	switch names := strings.Join(unavailable, ", "); {
	case affected || len(unavailable) == 0:
		return affected, nil
	case len(unavailable) == len(r.Rows):
		return false, fmt.Errorf("no release was available: %s", names)
	default:
		return false, fmt.Errorf("no window in the releases that were available, and no verdict on the others: %s", names)
	}
}

// Run checks the newest patch of each minor release from the one of from to the one of to,
// both included. If one of them does not have a kind of window that an older one has, Run
// searches the patches of its minor release by bisection for the one that fixed the kind. If
// there is an error, the result has what was found before it.
func (s *Sweep) Run(ctx context.Context, from, to string) (r Result, err error) {
	s.rows = map[string]Row{}
	defer func() {
		for _, row := range s.rows {
			r.Rows = append(r.Rows, row)
		}
		slices.SortFunc(r.Rows, func(a, b Row) int { return version.Compare(a.Go, b.Go) })
	}()
	minors := s.minorReleases(from, to)
	if len(minors) == 0 {
		return r, fmt.Errorf("no release from %s to %s is listed", from, to)
	}
	var newest []Row
	for _, patches := range minors {
		row, err := s.checkNewestPatch(ctx, patches, to)
		if err != nil {
			return r, err
		}
		newest = append(newest, row)
	}
	fixedEarlier := map[string]bool{} // kinds that the first patch of a minor release did not have, nor any later release
	for i, patches := range minors {
		for _, kind := range window.KindNames() {
			inOlder := slices.ContainsFunc(newest[:i], func(row Row) bool { return row.Has(kind) })
			if newest[i].Unavailable != "" || newest[i].Has(kind) || !inOlder || fixedEarlier[kind] {
				continue
			}
			fix, ok, err := s.findFix(ctx, kind, patches, newest[i].Go)
			if err != nil {
				return r, err
			}
			if fixedEarlier[kind] = !ok; ok {
				r.Fixes = append(r.Fixes, fix)
			}
		}
	}
	return r, nil
}

// minorReleases returns the known releases in a range, grouped by minor release. Groups and
// the releases in them are in order, oldest first.
func (s *Sweep) minorReleases(from, to string) (minors [][]string) {
	listed := slices.Clone(s.Releases)
	for name := range s.Known {
		listed = append(listed, name)
	}
	slices.SortFunc(listed, version.Compare)
	for _, name := range slices.Compact(listed) {
		if version.Compare(name, from) < 0 && version.Lang(name) != version.Lang(from) || version.Compare(name, to) > 0 {
			continue
		}
		if version.Compare(version.Lang(name), version.Lang(from)) < 0 {
			continue
		}
		if n := len(minors); n > 0 && version.Lang(minors[n-1][0]) == version.Lang(name) {
			minors[n-1] = append(minors[n-1], name)
		} else {
			minors = append(minors, []string{name})
		}
	}
	return minors
}

// checkNewestPatch checks the newest available patch of a minor release. The list may be
// incomplete, so it also tries the patches after the last that is listed.
func (s *Sweep) checkNewestPatch(ctx context.Context, patches []string, to string) (row Row, err error) {
	last := patches[len(patches)-1]
	for next := withPatch(last, patchNumber(last)+1); version.Compare(next, to) <= 0; next = withPatch(next, patchNumber(next)+1) {
		row, err := s.checkOnce(ctx, next)
		if err != nil {
			return row, err
		}
		if row.Unavailable != "" {
			delete(s.rows, next) // neither listed nor available: it does not exist
			break
		}
		last = next
	}
	return s.checkOnce(ctx, last)
}

// findFix searches a minor release for the patch that fixed a kind of window. It returns
// false if the first patch does not have the kind, or is not available.
func (s *Sweep) findFix(ctx context.Context, kind string, patches []string, newest string) (fix Fix, ok bool, err error) {
	low, high := patchNumber(patches[0]), patchNumber(newest)
	first, err := s.checkOnce(ctx, patches[0])
	if err != nil || first.Unavailable != "" || !first.Has(kind) {
		return fix, false, err
	}
	unavailable := map[int]bool{}
	for {
		// The available patch that is nearest to the middle.
		middle := -1
		for n := low + 1; n < high; n++ {
			if !unavailable[n] && (middle < 0 || abs(2*n-low-high) < abs(2*middle-low-high)) {
				middle = n
			}
		}
		if middle < 0 {
			break
		}
		row, err := s.checkOnce(ctx, withPatch(newest, middle))
		switch {
		case err != nil:
			return fix, false, err
		case row.Unavailable != "":
			unavailable[middle] = true
		case row.Has(kind):
			low = middle
		default:
			high = middle
		}
	}
	fix = Fix{Kind: kind, LastAffected: withPatch(newest, low), FirstFixed: withPatch(newest, high)}
	for n := low + 1; n < high; n++ {
		fix.Untested = append(fix.Untested, withPatch(newest, n))
	}
	return fix, true, nil
}

func abs(n int) int { return max(n, -n) }

// checkOnce checks one release, or returns the result of the first check.
func (s *Sweep) checkOnce(ctx context.Context, release string) (Row, error) {
	if row, ok := s.rows[release]; ok {
		return row, nil
	}
	row := Row{Go: release}
	var err error
	if v, ok := s.Known[release]; ok {
		row.Verdict = v
	} else if row.Verdict, err = s.Check(ctx, release); err != nil {
		if !s.IsUnavailable(err) {
			return row, err
		}
		row.Unavailable = err.Error()
	}
	s.rows[release] = row
	return row, nil
}

// patchNumber returns the patch number of a release: 4 for go1.23.4, 0 for go1.20 and
// go1.21.0.
func patchNumber(release string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(strings.TrimPrefix(release, version.Lang(release)), "."))
	return n
}

// withPatch returns patch n of a release's minor release. Before go1.21 the name of patch 0
// has no number: go1.20.
func withPatch(release string, n int) string {
	lang := version.Lang(release)
	if n == 0 && version.Compare(lang, "go1.21") < 0 {
		return lang
	}
	return lang + "." + strconv.Itoa(n)
}
