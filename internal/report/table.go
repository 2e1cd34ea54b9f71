package report

import (
	"bytes"
	"strings"
	"text/tabwriter"
)

// A table is written as lines of cells with tabs between them.
type table struct{ bytes.Buffer }

// String returns the lines with their columns aligned, and no space at their ends.
func (t *table) String() string {
	var padded, b strings.Builder
	w := tabwriter.NewWriter(&padded, 0, 0, 3, ' ', 0)
	_, _ = w.Write(t.Bytes())
	_ = w.Flush() // into memory: no error
	for _, line := range strings.SplitAfter(strings.TrimRight(padded.String(), "\n"), "\n") {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}
