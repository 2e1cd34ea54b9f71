// Package sweep finds which Go releases have each kind of window, and in which release the
// kind was fixed. It checks the newest patch release of each minor release. If a kind is in
// one minor release and not in a later one, it searches the patch releases of the later one
// by bisection.
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

// A Row is what is known about one release.
type Row struct {
	Go          string
	Verdict     trial.Verdict
	Unavailable string // why it was not available; then there is no verdict
}

// Has reports whether the release has windows of a kind.
func (r Row) Has(kind string) bool { return slices.Contains(r.Verdict.Affected, kind) }

// An Edge says where in the patches of a minor release a kind of window went away.
type Edge struct {
	Kind  string
	Last  string   // the last release known to have it
	First string   // the first known not to
	Gap   []string // releases between the two that were not available
}

// A Sweep checks releases.
type Sweep struct {
	// Listed are the releases there are, in any order; more may exist.
	Listed []string
	// Check decides one release. If Missing is true for the error, the row says that the
	// release is missing. Any other error ends the sweep.
	Check         func(ctx context.Context, release string) (trial.Verdict, error)
	IsUnavailable func(error) bool
	Known         map[string]trial.Verdict // of an earlier sweep

	rows map[string]Row
}

// Result is what a sweep found.
type Result struct {
	Rows  []Row // newest patch of each minor release, and what the search for edges looked at
	Edges []Edge
}

// Answer reports whether a release is affected. It is an error if none of the available
// releases is affected and some were not available, because those may be affected.
func (r Result) Answer() (affected bool, err error) {
	var missing []string
	for _, row := range r.Rows {
		affected = affected || len(row.Verdict.Affected) > 0
		if row.Unavailable != "" {
			missing = append(missing, row.Go)
		}
	}
	switch names := strings.Join(missing, ", "); {
	case affected || len(missing) == 0:
		return affected, nil
	case len(missing) == len(r.Rows):
		return false, fmt.Errorf("no release was available: %s", names)
	default:
		return false, fmt.Errorf("no window in the releases that were available, and no verdict on the others: %s", names)
	}
}

// Run checks the newest patch of each minor release from one to another, both
// included. If one of them lacks a kind of window that an older release has, Run searches
// the patches of its minor release by bisection for the first without that kind. If
// there is an error, the result has what was found before it.
func (s *Sweep) Run(ctx context.Context, from, to string) (r Result, err error) {
	s.rows = map[string]Row{}
	defer func() {
		for _, row := range s.rows {
			r.Rows = append(r.Rows, row)
		}
		slices.SortFunc(r.Rows, func(a, b Row) int { return version.Compare(a.Go, b.Go) })
	}()
	minors := s.minors(from, to)
	if len(minors) == 0 {
		return r, fmt.Errorf("no release from %s to %s is listed", from, to)
	}
	var newest []Row
	for _, patches := range minors {
		row, err := s.newest(ctx, patches, to)
		if err != nil {
			return r, err
		}
		newest = append(newest, row)
	}
	gone := map[string]bool{} // before the first patch of a minor release, and so of all later ones
	for i, patches := range minors {
		for _, kind := range window.KindNames() {
			older := slices.ContainsFunc(newest[:i], func(row Row) bool { return row.Has(kind) })
			if newest[i].Unavailable != "" || newest[i].Has(kind) || !older || gone[kind] {
				continue
			}
			edge, ok, err := s.edge(ctx, kind, patches, newest[i].Go)
			if err != nil {
				return r, err
			}
			if gone[kind] = !ok; ok {
				r.Edges = append(r.Edges, edge)
			}
		}
	}
	return r, nil
}

// minors returns the listed releases in a range by minor release, oldest first.
func (s *Sweep) minors(from, to string) (minors [][]string) {
	listed := slices.Clone(s.Listed)
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

// newest checks the newest available patch of a minor release. Not every release is
// listed, so it also tries the one after the last.
func (s *Sweep) newest(ctx context.Context, patches []string, to string) (row Row, err error) {
	last := patches[len(patches)-1]
	for next := withPatch(last, patchNumber(last)+1); version.Compare(next, to) <= 0; next = withPatch(next, patchNumber(next)+1) {
		row, err := s.look(ctx, next)
		if err != nil {
			return row, err
		}
		if row.Unavailable != "" {
			delete(s.rows, next) // neither listed nor available: it does not exist
			break
		}
		last = next
	}
	return s.look(ctx, last)
}

// edge searches a minor release for the patch that removed a kind of window. It returns
// false if the first patch does not have the kind.
func (s *Sweep) edge(ctx context.Context, kind string, patches []string, newest string) (e Edge, ok bool, err error) {
	low, high := patchNumber(patches[0]), patchNumber(newest)
	first, err := s.look(ctx, patches[0])
	if err != nil || first.Unavailable != "" || !first.Has(kind) {
		return e, false, err
	}
	missing := map[int]bool{}
	for {
		// the middle of those that are available
		middle := -1
		for n := low + 1; n < high; n++ {
			if !missing[n] && (middle < 0 || abs(2*n-low-high) < abs(2*middle-low-high)) {
				middle = n
			}
		}
		if middle < 0 {
			break
		}
		row, err := s.look(ctx, withPatch(newest, middle))
		switch {
		case err != nil:
			return e, false, err
		case row.Unavailable != "":
			missing[middle] = true
		case row.Has(kind):
			low = middle
		default:
			high = middle
		}
	}
	e = Edge{Kind: kind, Last: withPatch(newest, low), First: withPatch(newest, high)}
	for n := low + 1; n < high; n++ {
		e.Gap = append(e.Gap, withPatch(newest, n))
	}
	return e, true, nil
}

func abs(n int) int { return max(n, -n) }

// look checks one release, unless it has been checked.
func (s *Sweep) look(ctx context.Context, release string) (Row, error) {
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

// patchNumber returns the number of a patch: 4 of go1.23.4, 0 of go1.20 and go1.21.0.
func patchNumber(release string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(strings.TrimPrefix(release, version.Lang(release)), "."))
	return n
}

// withPatch returns another patch of a release's minor release. The first of those
// before go1.21 has no number.
func withPatch(release string, n int) string {
	lang := version.Lang(release)
	if n == 0 && version.Compare(lang, "go1.21") < 0 {
		return lang
	}
	return lang + "." + strconv.Itoa(n)
}
