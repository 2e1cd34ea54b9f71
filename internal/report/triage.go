package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"splitadd/internal/safe"
	"splitadd/internal/triage"
)

// Triage writes the verdict on a crash as text: the answer and how sure it is,
// what it rests on, what would settle it, and what to do.
func Triage(to io.Writer, v triage.Verdict) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", safe.Text(triagePlace(v)), safe.Text(triageAnswer(v)))
	said, next := triageLines(v)
	for _, line := range said {
		fmt.Fprintf(&b, "    %s\n", safe.Text(line))
	}
	if v.Code != "" {
		fmt.Fprintf(&b, "%s\n", indented(strings.TrimRight(v.Code, "\n")))
	}
	for _, line := range next {
		fmt.Fprintf(&b, "    %s\n", safe.Text(line))
	}
	_, err := io.WriteString(to, b.String())
	return err
}

// TriageMarkdown writes the verdict on a crash as Markdown, for a bug report.
func TriageMarkdown(to io.Writer, v triage.Verdict) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n%s", escapeMarkdown(triageAnswer(v)), escapeMarkdown(triagePlace(v)))
	for _, s := range []string{v.Go, v.Arch} {
		if s != "" {
			fmt.Fprintf(&b, ", %s", escapeMarkdown(s))
		}
	}
	b.WriteString("\n\n")
	said, next := triageLines(v)
	for _, line := range append(said, next...) {
		fmt.Fprintf(&b, "- %s\n", escapeMarkdown(line))
	}
	for _, block := range []string{v.Code, v.Text} {
		if block = strings.TrimRight(block, "\n"); block != "" {
			fmt.Fprintf(&b, "\n%s\n", indented(block))
		}
	}
	_, err := io.WriteString(to, b.String())
	return err
}

// triageLines returns the evidence of a verdict, and then what would settle it and what
// to do.
func triageLines(v triage.Verdict) (said, next []string) {
	if v.Count > 1 {
		said = append(said, fmt.Sprintf("%d times, lines %d to %d", v.Count, v.Line, v.Last))
	}
	said = append(said, slices.Clone(v.Evidence)...)
	for _, c := range v.Candidates {
		said = append(said, "candidate: "+c.Chain())
	}
	if v.CutOff != "" {
		said = append(said, "the log is "+v.CutOff)
	}
	if v.Settle != "" {
		next = append(next, "what would settle it: "+v.Settle)
	}
	for _, d := range v.Do {
		next = append(next, "what to do: "+d)
	}
	return said, next
}

// indented makes untrusted text a block of code of Markdown. Nothing in the text can end
// the block.
func indented(text string) string {
	return "    " + strings.ReplaceAll(safe.Lines(text), "\n", "\n    ")
}

func triagePlace(v triage.Verdict) string {
	if v.Line == 0 {
		return v.Input
	}
	return fmt.Sprintf("%s:%d", v.Input, v.Line)
}

// triageAnswer returns the answer, and how sure it is if it decides.
func triageAnswer(v triage.Verdict) string {
	answer := string(v.Answer)
	if v.Window != nil {
		answer += fmt.Sprintf(" in %s+%#x", v.Window.Func, v.Window.Offset())
	}
	if v.Reason != "" {
		answer += ": " + v.Reason
	}
	if v.Confidence != "" {
		answer += fmt.Sprintf(" (%s)", v.Confidence)
	}
	return answer
}
