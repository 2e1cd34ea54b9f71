package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"splitadd/internal/safe"
	"splitadd/internal/survey"
	"splitadd/internal/window"
)

// A Style says how text for people stands out. The zero Style is plain text, for files
// and pipes.
type Style struct{ Color bool }

func (s Style) alarm(text string) string { return s.sgr("31", text) }
func (s Style) title(text string) string { return s.sgr("1", text) }

// sgr wraps a text in a terminal's control sequence for an attribute (ECMA-48, SGR) and the
// one that ends it.
func (s Style) sgr(attribute, text string) string {
	if !s.Color || text == "" {
		return text
	}
	return "\x1b[" + attribute + "m" + text + "\x1b[0m"
}

// kindTable writes a table of the kinds of window that binaries have, and returns these
// kinds. It writes nothing if there are none.
func kindTable(s *strings.Builder, found []*survey.Binary, style Style) (kinds []string) {
	type counts struct{ binaries, functions, windows int }
	sum := map[string]*counts{}
	for _, b := range found {
		for _, kind := range b.Kinds() {
			if sum[kind] == nil {
				sum[kind] = new(counts)
			}
			sum[kind].binaries++
		}
		for _, f := range b.Functions {
			for _, kind := range f.Kinds() {
				sum[kind].functions++
			}
			for _, w := range f.Windows {
				if w.Preemptible {
					sum[w.Kind()].windows++
				}
			}
		}
	}
	if len(sum) == 0 {
		return nil
	}
	var t table
	t.WriteString("  kind\tbinaries\tfunctions\twindows\n")
	for _, k := range window.Kinds {
		if c := sum[k.Name]; c != nil {
			kinds = append(kinds, k.Name)
			fmt.Fprintf(&t, "  %s\t%d\t%d\t%d\n", k.Name, c.binaries, c.functions, c.windows)
		}
	}
	head, rows, _ := strings.Cut(t.String(), "\n")
	fmt.Fprintf(s, "\n%s\n%s", style.title(head), rows)
	return kinds
}

// The bounds of what shared writes.
const (
	maxShared      = 20 // functions
	maxSharedNames = 3  // names of binaries for each
)

// shared writes the functions with windows that several binaries have: they are those of a
// library, and the library is where to look.
func shared(s *strings.Builder, found []*survey.Binary, style Style) {
	type use struct {
		function string
		kinds    []string
		owners   []string
		binaries []string
	}
	uses := map[string]*use{}
	for _, b := range found {
		for _, f := range b.Functions {
			kinds := f.Kinds()
			if len(kinds) == 0 {
				continue
			}
			key := f.Name + "\x00" + strings.Join(kinds, ", ")
			u := uses[key]
			if u == nil {
				u = &use{function: f.Name, kinds: kinds}
				uses[key] = u
			}
			if !slices.Contains(u.owners, f.Owner) {
				u.owners = append(u.owners, f.Owner)
			}
			if !slices.Contains(u.binaries, b.Name()) {
				u.binaries = append(u.binaries, b.Name())
			}
		}
	}
	several := slices.DeleteFunc(slices.Collect(maps.Values(uses)), func(u *use) bool { return len(u.binaries) < 2 })
	if len(several) == 0 {
		return
	}
	slices.SortFunc(several, func(a, b *use) int {
		return cmp.Or(len(b.binaries)-len(a.binaries), cmp.Compare(a.function, b.function), slices.Compare(a.kinds, b.kinds))
	})
	fmt.Fprintf(s, "\n%s\n", style.title("In several binaries"))
	for _, u := range several[:min(len(several), maxShared)] {
		fmt.Fprintf(s, "  %s: %s: in %d binaries (%s)\n", printableName(u.function), strings.Join(u.kinds, ", "), len(u.binaries), someOf(u.owners))
		fmt.Fprintf(s, "    %s\n", someOf(u.binaries))
	}
	if n := len(several) - maxShared; n > 0 {
		fmt.Fprintf(s, "  and %s: listed by -json\n", plural(n, "more function", "more functions"))
	}
}

// someOf joins the first of some names and says how many more there are.
func someOf(names []string) string {
	var first []string
	for _, name := range names[:min(len(names), maxSharedNames)] {
		first = append(first, printableName(name))
	}
	text := strings.Join(first, ", ")
	if n := len(names) - len(first); n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// identity is the same for a function of two binaries if what there is to say about its
// windows is the same, but for addresses.
func identity(f survey.Function) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %d", f.Name, f.Frame)
	for _, w := range f.Windows {
		fmt.Fprintf(&s, " %s+%#x", w.Kind(), w.Offset())
	}
	return safe.Text(s.String())
}
