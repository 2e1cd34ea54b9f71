package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"splitadd/internal/survey"
)

// Binary writes what was found in a binary: its windows by function and kind,
// the first of each with its disassembly.
func Binary(to io.Writer, b *survey.Binary) error {
	var s strings.Builder
	built := b.Go
	if built == "" {
		built = "built by an unknown Go"
	}
	if b.Main != "" {
		built += ", " + b.Main
	}
	n := b.Preemptible()
	sum := count(n, "window")
	if n > 0 {
		sum += fmt.Sprintf(" in %s: %s", count(b.Affected(), "function"), strings.Join(b.Kinds(), ", "))
	}
	fmt.Fprintf(&s, "%s: %s, %s: %s\n", clean(b.Path), b.Format, clean(built), sum)
	stale := 0
	for _, f := range b.Functions {
		if slices.ContainsFunc(f.Windows, func(w survey.Window) bool { return !w.Stale }) {
			function(&s, f)
		} else {
			stale++
		}
	}
	if stale > 0 {
		fmt.Fprintf(&s, "\n  and %s in which, at a return, the frame pointer points into the frame just popped: listed by -json\n", count(stale, "function"))
	}
	if n > 0 {
		s.WriteString("\n  What to do\n")
		for _, line := range survey.Remedies(b.Kinds()) {
			fmt.Fprintf(&s, "  - %s\n", line)
		}
		s.WriteByte('\n')
	}
	_, err := io.WriteString(to, s.String())
	return err
}

func function(s *strings.Builder, f survey.Function) {
	fmt.Fprintf(s, "\n  %s\n  frame %d bytes; %s\n", clean(f.Name), f.Frame, clean(f.Owner))
	if f.Less > 0 || f.More > 0 {
		fmt.Fprintf(s, "  a frame%s%s has no window\n", near(f.Less, "smaller"), near(f.More, "larger"))
	}
	for i, w := range f.Windows {
		first := i == 0 || f.Windows[i-1].Class != w.Class || f.Windows[i-1].Why != w.Why
		why := ""
		if w.Stale && w.Preemptible {
			why = " (the frame is popped, and the frame pointer still points into it)"
		} else if !w.Pair && w.Preemptible {
			why = " (no pair of ADDs: another disagreement with the function table)"
		}
		if !w.Preemptible {
			why = " (not preempted: " + w.Why + ")"
		}
		actual := fmt.Sprint(w.Actual)
		if !w.Known {
			actual = "an unknown number of"
		}
		fmt.Fprintf(s, "    %s at +%#x pc=%#x %s:%d%s\n", w.Kind(), w.Offset(), w.PC, clean(w.File), w.Line, why)
		if first {
			fmt.Fprintf(s, "    %s bytes below the stack pointer at entry, where %d are believed\n", actual, w.Claimed)
			for _, line := range strings.Split(strings.TrimRight(w.Disassembly, "\n"), "\n") {
				fmt.Fprintf(s, "    %s\n", line)
			}
		}
	}
}

// near returns " N bytes smaller", and joins two of them with "or".
func near(bytes int64, how string) string {
	switch {
	case bytes == 0:
		return ""
	case how == "larger":
		return fmt.Sprintf(" or %d larger", bytes)
	}
	return fmt.Sprintf(" %d bytes %s", bytes, how)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// clean makes a name from a binary, which may be hostile, fit to print: what is
// not printable is escaped, and it is cut off at some length.
func clean(name string) string {
	const most = 300
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r == 0xfffd {
			return '?'
		}
		return r
	}, name)
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "..."
	}
	return name
}
