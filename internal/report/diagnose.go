package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize/english"

	"splitadd/internal/crash"
	"splitadd/internal/diagnose"
	"splitadd/internal/safe"
)

// Diagnosis writes what a program's runs and its binary show, and the conclusion.
func Diagnosis(to io.Writer, r *diagnose.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; %s\n\n", safe.Text(strings.Join(r.Program.Command, " ")), r.Engine)
	for _, c := range r.Counts {
		fmt.Fprintf(&b, "%s: %s", c.Way, english.Plural(c.Runs, "run", ""))
		for _, part := range []struct {
			n    int
			what string
		}{{c.Deaths, "died"}, {c.Failed, "failed by themselves"}, {c.Hung, "hung"}, {c.DataRaces, "with a data race"}, {c.Cut, "with output that was cut"}} {
			if part.n > 0 {
				fmt.Fprintf(&b, ", %d %s", part.n, part.what)
			}
		}
		if c.Deaths+c.Failed+c.Hung+c.DataRaces == 0 {
			b.WriteString(", none ended badly")
		}
		b.WriteString("\n")
		if c.FirstDeath.Kind != "" {
			fmt.Fprintf(&b, "    %s\n", safe.Text(c.FirstDeath.String()))
		}
		if c.RaceReport != "" {
			fmt.Fprintf(&b, "%s\n", indented(c.RaceReport))
		}
	}
	fmt.Fprintf(&b, "each run: %s; no other limit\n", strings.Join(r.Limits, "; "))
	switch {
	case r.Binary == nil:
		b.WriteString("scan: no Go binary for arm64: this defect exists only on arm64\n")
	case r.Binary.Preemptible() == 0:
		b.WriteString("scan: no window\n")
	default:
		fmt.Fprintf(&b, "scan: %s in %s: %s\n", english.Plural(r.Binary.Preemptible(), "window", ""), english.Plural(r.Binary.Affected(), "function", ""), strings.Join(r.Binary.Kinds(), ", "))
	}
	fmt.Fprintf(&b, "\nconclusion: %s\n%s\n", r.Conclusion, safe.Text(r.Confidence))
	if strings.Contains(r.Conclusion, string(crash.SplitSP)) || strings.Contains(r.Conclusion, string(crash.SplitFP)) {
		b.WriteString("what to do: splitadd scan says where the windows are, and what closes them\n")
	}
	_, err := io.WriteString(to, b.String())
	return err
}
