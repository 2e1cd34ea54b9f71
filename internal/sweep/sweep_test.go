package sweep

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/trial"
)

var errNoRelease = errors.New("no such release")

// fakeReleases is a list of releases, each with its kinds of window. Some releases are not
// available.
type fakeReleases struct {
	listed, unlisted, unavailable []string
	checked                       []string
}

func (w *fakeReleases) sweep() *Sweep {
	return &Sweep{
		Releases: w.listed,
		Check: func(_ context.Context, release string) (v trial.Verdict, err error) {
			w.checked = append(w.checked, release)
			if slices.Contains(w.unavailable, release) || !slices.Contains(w.listed, release) && !slices.Contains(w.unlisted, release) {
				return v, errNoRelease
			}
			v.Affected = []string{"leaf SP"}
			fixed := map[string]int{"go1.21": 99, "go1.22": 99, "go1.23": 12, "go1.24": 6}
			if first, old := fixed[release[:6]]; old && patchNumber(release) < first {
				v.Affected = append(v.Affected, "non-leaf SP")
			}
			return v, nil
		},
		IsUnavailable: func(err error) bool { return errors.Is(err, errNoRelease) },
	}
}

func names(rows []Row) (names []string) {
	for _, r := range rows {
		names = append(names, r.Go)
	}
	return names
}

var listed = []string{
	"go1.21.0", "go1.21.13", "go1.22.0", "go1.22.12", "go1.23.0", "go1.23.1", "go1.23.4", "go1.23.10", "go1.23.12",
	"go1.24.0", "go1.24.5", "go1.24.6", "go1.24.13", "go1.25.0", "go1.25.3", "go1.26.0", "go1.26.8",
}

func TestFixes(t *testing.T) {
	w := fakeReleases{listed: listed, unlisted: []string{"go1.23.11", "go1.23.8", "go1.24.9", "go1.25.4", "go1.25.5"}}
	r, err := w.sweep().Run(context.Background(), "go1.22", "go1.26.8")
	require.NoError(t, err)
	assert.Equal(t, []Fix{{"non-leaf SP", "go1.23.11", "go1.23.12", nil}, {"non-leaf SP", "go1.24.5", "go1.24.6", nil}}, r.Fixes)
	assert.Contains(t, names(r.Rows), "go1.25.5", "the newest patch that is available, listed or not")
	assert.NotContains(t, names(r.Rows), "go1.25.6")
	assert.NotContains(t, names(r.Rows), "go1.21.13")
	assert.Less(t, len(w.checked), 28)
	slices.Sort(w.checked)
	assert.Equal(t, len(w.checked), len(slices.Compact(w.checked)), "a release was checked twice")
}

// TestUnavailable tests that the result lists releases that are not available.
func TestUnavailable(t *testing.T) {
	w := fakeReleases{listed: listed, unavailable: []string{"go1.22.12"}}
	r, err := w.sweep().Run(context.Background(), "go1.22", "go1.23.12")
	require.NoError(t, err)
	require.Equal(t, "go1.22.12", r.Rows[0].Go)
	assert.Equal(t, "no such release", r.Rows[0].Unavailable)

	w = fakeReleases{listed: listed, unavailable: []string{"go1.24.5"}}
	r, err = w.sweep().Run(context.Background(), "go1.23.0", "go1.24.13")
	require.NoError(t, err)
	assert.Empty(t, r.Fixes, "no release of the range is known to have it")
	r, err = w.sweep().Run(context.Background(), "go1.22", "go1.24.13")
	require.NoError(t, err)
	assert.Equal(t, Fix{"non-leaf SP", "go1.23.10", "go1.23.12", []string{"go1.23.11"}}, r.Fixes[0])
	assert.Equal(t, Fix{"non-leaf SP", "go1.24.0", "go1.24.6", []string{"go1.24.1", "go1.24.2", "go1.24.3", "go1.24.4", "go1.24.5"}}, r.Fixes[1])
}

// TestAffected tests that a release that was not checked does not count as not affected.
func TestAffected(t *testing.T) {
	affected := Row{Go: "go1.26.8", Verdict: trial.Verdict{Affected: []string{"leaf SP"}}}
	clean, missing := Row{Go: "go1.28.0"}, Row{Go: "go1.27.4", Unavailable: "no such release"}
	for _, c := range []struct {
		rows     []Row
		affected bool
		err      string
	}{
		{[]Row{affected, clean}, true, ""},
		{[]Row{affected, missing}, true, ""},
		{[]Row{clean}, false, ""},
		{[]Row{missing}, false, "no release was available: go1.27.4"},
		{[]Row{clean, missing}, false, "no window in the releases that were available, and no verdict on the others: go1.27.4"},
	} {
		affected, err := Result{Rows: c.rows}.Affected()
		assert.Equal(t, c.affected, affected)
		if c.err == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, c.err)
		}
	}
}

// TestResume tests that known releases are not checked again.
func TestResume(t *testing.T) {
	w := fakeReleases{listed: listed}
	r, err := w.sweep().Run(context.Background(), "go1.22", "go1.26.8")
	require.NoError(t, err)
	again := fakeReleases{listed: listed}
	s := again.sweep()
	s.Known = map[string]trial.Verdict{}
	for _, row := range r.Rows {
		if row.Unavailable == "" {
			s.Known[row.Go] = row.Verdict
		}
	}
	second, err := s.Run(context.Background(), "go1.22", "go1.26.8")
	require.NoError(t, err)
	assert.Equal(t, r, second)
	for _, name := range again.checked {
		assert.NotContains(t, listed, name)
	}
}

func TestErrors(t *testing.T) {
	s := (&fakeReleases{listed: listed}).sweep()
	s.IsUnavailable = func(error) bool { return false }
	r, err := s.Run(context.Background(), "go1.25", "go1.26.8")
	require.ErrorIs(t, err, errNoRelease)
	assert.Empty(t, r.Rows)
	_, err = s.Run(context.Background(), "go1.30", "go1.31")
	require.ErrorContains(t, err, "no release from go1.30 to go1.31 is listed")
	assert.Equal(t, []any{"go1.20", 0, "go1.20.3", 3, "go1.21.0"}, []any{withPatch("go1.20.3", 0), patchNumber("go1.20"), withPatch("go1.20", 3), patchNumber("go1.20.3"), withPatch("go1.21.9", 0)})
}
