package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"

	"splitadd/internal/record"
	"splitadd/internal/safe"
	"splitadd/internal/survey"
)

// Binaries writes what was found in binaries: the totals, a table of kinds, the functions
// that several of them share, each binary with the windows of its functions, and what to
// do. A function that was written for an earlier binary is not written again.
func Binaries(to io.Writer, found []*survey.Binary, sum record.Scan, style Style) error {
	if err := Scan(to, sum); err != nil {
		return err
	}
	var s strings.Builder
	kinds := kindTable(&s, found, style)
	shared(&s, found, style)
	written := map[string]string{} // the binary, by function
	for _, b := range found {
		s.WriteByte('\n')
		binary(&s, b, written, style)
	}
	if len(kinds) > 0 {
		fmt.Fprintf(&s, "\n%s\n", style.title("What to do"))
		for _, line := range survey.Remedies(kinds) {
			fmt.Fprintf(&s, "- %s\n", line)
		}
	}
	_, err := io.WriteString(to, s.String())
	return err
}

// binary writes the windows of a binary by function and kind, the first of each with its
// disassembly. Written has the functions of earlier binaries, and gets those of this one.
func binary(s *strings.Builder, b *survey.Binary, written map[string]string, style Style) {
	built := b.Go
	if built == "" {
		built = "built by an unknown Go"
	}
	if b.Main != "" {
		built += ", " + b.Main
	}
	n := b.Preemptible()
	sum := english.Plural(n, "window", "")
	if n > 0 {
		sum = style.alarm(sum + fmt.Sprintf(" in %s: %s", english.Plural(b.Affected(), "function", ""), strings.Join(b.Kinds(), ", ")))
	}
	if b.Accepted > 0 {
		sum += fmt.Sprintf("; %d accepted", b.Accepted)
	}
	fmt.Fprintf(s, "%s: %s, %s: %s\n", style.title(safe.Text(b.Name())), b.Format, printableName(built), sum)
	if b.Place.Layer != "" {
		fmt.Fprintf(s, "  layer %s%s\n", printableName(b.Place.Layer), madeBy(b.Place.Command))
	}
	stale := 0
	for _, f := range b.Functions {
		switch first, again := written[identity(f)]; {
		case !slices.ContainsFunc(f.Windows, func(w survey.Window) bool { return !w.Stale }):
			stale++
		case again:
			kinds := cmp.Or(strings.Join(f.Kinds(), ", "), "not preempted")
			fmt.Fprintf(s, "\n  %s\n  %s, as in %s\n", printableName(f.Name), kinds, safe.Text(first))
		default:
			function(s, f, style)
			written[identity(f)] = b.Name()
		}
	}
	if stale > 0 {
		fmt.Fprintf(s, "\n  and %s in which, at a return, the frame pointer points into the frame just popped: listed by -json\n", english.Plural(stale, "function", ""))
	}
	unchecked(s, b)
}

// madeBy returns ", made by COMMAND", or nothing.
func madeBy(command string) string {
	if command == "" {
		return ""
	}
	return ", made by " + printableName(command)
}

// unchecked writes which parts of a binary were not checked.
func unchecked(s *strings.Builder, b *survey.Binary) {
	if n := len(b.Unchecked); n > 0 {
		fmt.Fprintf(s, "\n  not checked for every kind, because of too many branches: %s\n", english.Plural(n, "function", ""))
		for _, f := range b.Unchecked[:min(n, maxUnchecked)] {
			fmt.Fprintf(s, "    %s\n", printableName(f))
		}
		if n > maxUnchecked {
			fmt.Fprintf(s, "    and %d more: listed by -json\n", n-maxUnchecked)
		}
	}
	if b.Undecoded > 0 {
		fmt.Fprintf(s, "\n  %s not decoded, constants among the code included\n", plural(b.Undecoded, "word of code was", "words of code were"))
	}
}

// maxUnchecked bounds the functions that unchecked lists.
const maxUnchecked = 10

// Scan writes the totals of a scan.
func Scan(to io.Writer, s record.Scan) error {
	kinds := ""
	if len(s.Only) > 0 {
		kinds = " of " + strings.Join(s.Only, ", ")
	}
	if s.Accepted > 0 {
		kinds += "; " + english.Plural(s.Accepted, "window", "") + " accepted"
	}
	_, err := fmt.Fprintf(to, "%s, %d with windows%s; %s; %s\n", binaries(s.Binaries, "arm64"), s.Affected, kinds, NotArm64GoText(s), english.Plural(len(s.Errors), "error", ""))
	return err
}

// NotArm64GoText counts the files of a scan that are not Go binaries for arm64.
func NotArm64GoText(s record.Scan) string {
	var counts []string
	for _, arch := range slices.Sorted(maps.Keys(s.Foreign)) {
		counts = append(counts, binaries(s.Foreign[arch], arch))
	}
	return strings.Join(append(counts, english.Plural(s.NotArm64Go, "other file", "")), "; ")
}

func binaries(n int, arch string) string {
	return english.Plural(n, "Go binary", "") + " for " + safe.Cut(arch, maxName)
}

func function(s *strings.Builder, f survey.Function, style Style) {
	fmt.Fprintf(s, "\n  %s\n  frame %d bytes; %s\n", printableName(f.Name), f.Frame, printableName(f.Owner))
	if f.ShrinkBy > 0 || f.GrowBy > 0 {
		fmt.Fprintf(s, "  a frame%s%s has no window\n", near(f.ShrinkBy, "smaller"), near(f.GrowBy, "larger"))
	}
	for i, w := range f.Windows {
		if w.Detail != "" {
			breach(s, f.Windows, i, style)
			continue
		}
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
		fmt.Fprintf(s, "    %s at +%#x pc=%#x %s:%d%s\n", w.Kind(), w.Offset(), w.PC, printableName(w.File), w.Line, why)
		if first {
			fmt.Fprintf(s, "    %s bytes below the stack pointer at entry; the unwinder expects %d\n", actual, w.Claimed)
			code(s, w, style)
		}
	}
}

// breach writes a window of clauses 3 to 7. Adjacent boundaries with the same text are
// written as one.
func breach(s *strings.Builder, windows []survey.Window, i int, style Style) {
	same := func(k int) bool {
		a, b := windows[k-1], windows[k]
		return a.Class == b.Class && a.Detail == b.Detail && a.Preemptible == b.Preemptible
	}
	if i > 0 && same(i) {
		return
	}
	last := i
	for last+1 < len(windows) && same(last+1) {
		last++
	}
	w := windows[i]
	fmt.Fprintf(s, "    %s at +%#x pc=%#x %s:%d", w.Kind(), w.Offset(), w.PC, printableName(w.File), w.Line)
	if last > i {
		fmt.Fprintf(s, ", and %s up to +%#x", plural(last-i, "more boundary", "more boundaries"), windows[last].Offset())
	}
	fmt.Fprintf(s, "\n    %s\n", w.Detail)
	code(s, w, style)
}

// code writes the instructions around a window.
func code(s *strings.Builder, w survey.Window, style Style) {
	for _, line := range strings.Split(strings.TrimRight(w.Disassembly, "\n"), "\n") {
		if strings.HasSuffix(line, "<- "+w.Kind()+" window") {
			line = style.alarm(line)
		}
		fmt.Fprintf(s, "    %s\n", line)
	}
}

// plural returns a number and the form of the word for it.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
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

// maxName is how many bytes of a name from a binary are shown.
const maxName = 300

// printableName makes a name from a binary safe to print. The name may be hostile.
func printableName(s string) string { return safe.Cut(s, maxName) }
