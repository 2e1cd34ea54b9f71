package report

import (
	"fmt"
	"io"
	"strings"

	"splitadd/internal/triage"
)

// Triage writes the verdict on a crash as text.
func Triage(to io.Writer, v triage.Verdict) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", plain(triagePlace(v)), plain(triageAnswer(v)))
	for _, e := range v.Evidence {
		fmt.Fprintf(&b, "    %s\n", plain(e))
	}
	for _, c := range v.Candidates {
		fmt.Fprintf(&b, "    candidate: %s\n", plain(c.Chain()))
	}
	if v.Code != "" {
		fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(strings.TrimRight(v.Code, "\n"), "\n", "\n    "))
	}
	if v.Settle != "" {
		fmt.Fprintf(&b, "    what would settle it: %s\n", plain(v.Settle))
	}
	for _, d := range v.Do {
		fmt.Fprintf(&b, "    what to do: %s\n", plain(d))
	}
	_, err := io.WriteString(to, b.String())
	return err
}

// TriageMarkdown writes the verdict on a crash as Markdown, for a bug report.
func TriageMarkdown(to io.Writer, v triage.Verdict) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n%s", markup.Replace(triageAnswer(v)), markup.Replace(triagePlace(v)))
	for _, s := range []string{v.Go, v.Arch} {
		if s != "" {
			fmt.Fprintf(&b, ", %s", markup.Replace(s))
		}
	}
	b.WriteString("\n\n")
	for _, e := range v.Evidence {
		fmt.Fprintf(&b, "- %s\n", markup.Replace(e))
	}
	for _, c := range v.Candidates {
		fmt.Fprintf(&b, "- candidate: %s\n", markup.Replace(c.Chain()))
	}
	if v.Settle != "" {
		fmt.Fprintf(&b, "- what would settle it: %s\n", markup.Replace(v.Settle))
	}
	for _, d := range v.Do {
		fmt.Fprintf(&b, "- what to do: %s\n", markup.Replace(d))
	}
	for _, block := range []string{v.Code, v.Text} {
		if block = strings.TrimRight(block, "\n"); block != "" {
			fmt.Fprintf(&b, "\n%s\n", indented(block))
		}
	}
	_, err := io.WriteString(to, b.String())
	return err
}

// indented makes text a block of code that nothing in it can end.
func indented(text string) string {
	return "    " + strings.ReplaceAll(text, "\n", "\n    ")
}

func triagePlace(v triage.Verdict) string {
	if v.Line == 0 {
		return v.Input
	}
	return fmt.Sprintf("%s:%d", v.Input, v.Line)
}

func triageAnswer(v triage.Verdict) string {
	switch {
	case v.Window != nil:
		return fmt.Sprintf("%s in %s+%#x", v.Answer, v.Window.Func, v.Window.Offset())
	case v.Why != "":
		return fmt.Sprintf("%s: %s", v.Answer, v.Why)
	}
	return string(v.Answer)
}
