package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"splitadd/internal/safe"
	"splitadd/internal/sweep"
	"splitadd/internal/window"
)

// Sweep writes a row for each release, and for each kind of window the release that
// removed it.
func Sweep(to io.Writer, engine string, r sweep.Result) error {
	var t table
	var b strings.Builder
	kinds := slices.DeleteFunc(slices.Clone(window.KindNames()), func(kind string) bool {
		return !slices.ContainsFunc(r.Rows, func(row sweep.Row) bool { return row.Has(kind) })
	})
	found := "every window that was found was pinned"
	if len(kinds) == 0 {
		found = "no window was found"
		if !slices.ContainsFunc(r.Rows, func(row sweep.Row) bool { return row.Unavailable == "" }) {
			found = "nothing was run"
		}
	}
	fmt.Fprintf(&b, "victims for arm64, %s; %s\n\n", found, engine)
	fmt.Fprintln(&t, "release\t"+strings.Join(kinds, "\t"))
	last := ""
	for _, row := range r.Rows {
		if row.Unavailable != "" {
			fmt.Fprintf(&t, "%s\tnot available: %s\n", row.Go, safe.Text(row.Unavailable))
			continue
		}
		cells := []string{row.Go}
		for _, kind := range kinds {
			cells = append(cells, map[bool]string{true: "dies", false: "-"}[row.Has(kind)])
		}
		fmt.Fprintln(&t, strings.Join(cells, "\t"))
		last = row.Go
	}
	b.WriteString(t.String() + "\n")
	for _, kind := range kinds {
		var gone []string
		for _, e := range r.Fixes {
			if e.Kind == kind {
				text := fmt.Sprintf("%s is the last to have it and %s the first not to", e.LastAffected, e.FirstFixed)
				if len(e.Untested) > 0 {
					text += fmt.Sprintf(" (%s not available)", strings.Join(e.Untested, ", "))
				}
				gone = append(gone, text)
			}
		}
		newest := slices.IndexFunc(r.Rows, func(row sweep.Row) bool { return row.Go == last })
		switch {
		case newest >= 0 && r.Rows[newest].Has(kind):
			fmt.Fprintf(&b, "%s: not fixed up to %s\n", kind, last)
		case len(gone) > 0:
			fmt.Fprintf(&b, "%s: %s; later releases do not have it\n", kind, strings.Join(gone, "; "))
		}
	}
	_, err := io.WriteString(to, b.String())
	return err
}
