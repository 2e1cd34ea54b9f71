package report

import (
	"fmt"
	"io"
	"strings"

	"splitadd/internal/repair"
)

// Repair writes what is done to a binary, and what is left; with diff each word
// that is changed.
func Repair(to io.Writer, path string, p *repair.Plan, diff bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s closed", plain(path), count(len(p.Changes), "window"))
	if len(p.Left) > 0 {
		fmt.Fprintf(&b, ", %d left", len(p.Left))
	}
	b.WriteString("\n")
	for _, c := range p.Changes {
		fmt.Fprintf(&b, "  %s in %s+%#x, frame %d\n", c.Kind(), plain(c.Func), c.Offset(), c.Frame)
	}
	for _, l := range p.Left {
		fmt.Fprintf(&b, "  left: %s in %s+%#x, frame %d: %s\n", l.Kind(), plain(l.Func), l.Offset(), l.Frame, plain(l.Reason))
	}
	if diff {
		words, err := p.Words()
		if err != nil {
			return err
		}
		b.WriteString("file offset  address     before    after\n")
		for _, w := range words {
			fmt.Fprintf(&b, "%#-11x  %#-10x  %08x  %08x\n", w.Offset, w.PC, w.Before, w.Word.Word)
		}
	}
	_, err := io.WriteString(to, b.String())
	return err
}
