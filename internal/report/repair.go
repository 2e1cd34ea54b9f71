package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize/english"

	"splitadd/internal/patch"
	"splitadd/internal/safe"
	"splitadd/internal/window"
)

// Repair writes which windows of a binary were closed, and which stay. With dry, it
// writes which windows can be closed. With diff it also writes each word that is
// replaced.
func Repair(to io.Writer, path string, p *patch.Plan, dry, diff bool) error {
	var b strings.Builder
	done := "closed"
	if dry {
		done = "can be closed"
	}
	fmt.Fprintf(&b, "%s: %s %s", safe.Text(path), english.Plural(len(p.Repaired), "window", ""), done)
	if len(p.Unrepaired) > 0 {
		fmt.Fprintf(&b, ", %d left", len(p.Unrepaired))
	}
	b.WriteString("\n")
	for _, c := range p.Repaired {
		fmt.Fprintf(&b, "  %s in %s+%#x, frame %d\n", c.Kind(), safe.Text(c.Func), c.Offset(), c.Frame)
	}
	for _, l := range p.Unrepaired {
		fmt.Fprintf(&b, "  left: %s in %s+%#x, frame %d: %s\n", l.Kind(), safe.Text(l.Func), l.Offset(), l.Frame, safe.Text(l.Reason))
	}
	for _, k := range window.Kinds {
		if n := p.OtherKinds[k.Name]; n > 0 {
			fmt.Fprintf(&b, "  not closed: %s, %s: %s\n", k.Name, english.Plural(n, "window", ""), k.Remedy)
		}
	}
	if diff {
		words, err := p.Replacements()
		if err != nil {
			return err
		}
		b.WriteString("file offset  address     before    after\n")
		for _, w := range words {
			fmt.Fprintf(&b, "%#-11x  %#-10x  %08x  %08x\n", w.Offset, w.PC, w.Before, w.After)
		}
	}
	_, err := io.WriteString(to, b.String())
	return err
}
