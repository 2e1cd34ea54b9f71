package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"splitadd/internal/triage"
)

// Triage writes the verdict on a crash as text.
func Triage(to io.Writer, v triage.Verdict) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", plain(triagePlace(v)), plain(triageAnswer(v)))
	said, next := triageLines(v)
	for _, line := range said {
		fmt.Fprintf(&b, "    %s\n", plain(line))
	}
	if v.Code != "" {
		fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(strings.TrimRight(v.Code, "\n"), "\n", "\n    "))
	}
	for _, line := range next {
		fmt.Fprintf(&b, "    %s\n", plain(line))
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
	said, next := triageLines(v)
	for _, line := range append(said, next...) {
		fmt.Fprintf(&b, "- %s\n", markup.Replace(line))
	}
	for _, block := range []string{v.Code, v.Text} {
		if block = strings.TrimRight(block, "\n"); block != "" {
			fmt.Fprintf(&b, "\n%s\n", indented(block))
		}
	}
	_, err := io.WriteString(to, b.String())
	return err
}

// triageLines returns what a verdict rests on, and what comes after it.
func triageLines(v triage.Verdict) (said, next []string) {
	said = slices.Clone(v.Evidence)
	if v.Count > 1 {
		said = append(said, fmt.Sprintf("%d crashes read like it; the last begins in line %d", v.Count, v.Last))
	}
	for _, c := range v.Candidates {
		said = append(said, "candidate: "+c.Chain())
	}
	if v.Settle != "" {
		next = append(next, "what would settle it: "+v.Settle)
	}
	for _, d := range v.Do {
		next = append(next, "what to do: "+d)
	}
	return said, next
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
