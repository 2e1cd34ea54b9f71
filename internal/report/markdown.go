package report

import (
	"fmt"
	"io"
	"strings"

	"splitadd/internal/record"
	"splitadd/internal/safe"
	"splitadd/internal/trial"
)

// markup escapes the characters that have a meaning in Markdown and its tables.
var markup = strings.NewReplacer("\\", "\\\\", "|", "\\|", "<", "&lt;", ">", "&gt;", "&", "&amp;", "*", "\\*", "_", "\\_", "`", "\\`", "[", "\\[", "]", "\\]")

// escapeMarkdown makes untrusted text safe in Markdown.
func escapeMarkdown(s string) string { return markup.Replace(safe.Text(s)) }

// TextTitle begins a page of Markdown, after "# ", and of text.
const TextTitle = "Windows in Go for arm64"

// Markdown writes the page as Markdown. The crash texts are left to the HTML.
func (p *Page) Markdown(to io.Writer) error {
	var b strings.Builder
	b.WriteString("# " + TextTitle + "\n")
	for _, e := range p.Engines {
		fmt.Fprintf(&b, "\n%s\n", escapeMarkdown(e))
	}
	if len(p.Verdicts) > 0 {
		b.WriteString("\n## Verdicts\n\n| release | affected in | proof |\n| --- | --- | --- |\n")
		for _, v := range p.Verdicts {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", escapeMarkdown(v.Go), escapeMarkdown(affectedText(v.Affected, v.Doubts)), proofText(v))
		}
	}
	if len(p.Series) > 0 {
		b.WriteString("\n## Time to crash\n\n| release | kind | victim | observer | died | exposed | median | deaths per second, 95 % |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
		for _, s := range p.Series {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %d of %d | %.1f s | %s | %s |\n", escapeMarkdown(s.Go), escapeMarkdown(s.Kind), escapeMarkdown(s.Func),
				escapeMarkdown(s.Observer), s.Deaths, s.Runs, s.Exposed, escapeMarkdown(s.MedianText), escapeMarkdown(s.RateText))
		}
	}
	if len(p.Windows) > 0 {
		b.WriteString("\n## Windows\n\n| release | kind | frame | window | actual, claimed | pinned there |\n| --- | --- | --- | --- | --- | --- |\n")
		for _, w := range p.Windows {
			fmt.Fprintf(&b, "| %s | %s | %d | %s+%s | %d, %d | %s |\n", escapeMarkdown(w.Go), escapeMarkdown(w.Kind), w.Frame, escapeMarkdown(w.Name), escapeMarkdown(w.Offset), w.Actual, w.Claimed, pinnedText(w))
		}
	}
	b.WriteString("\nA run that survives proves nothing. Compare rates within one engine only.\n")
	_, err := io.WriteString(to, b.String())
	return err
}

// Text writes the page as text, with the contents of the Markdown and without its
// escapes.
func (p *Page) Text(to io.Writer) error {
	var b strings.Builder
	b.WriteString(TextTitle + "\n\n")
	for _, e := range p.Engines {
		fmt.Fprintf(&b, "%s\n", safe.Text(e))
	}
	for _, v := range p.Verdicts {
		fmt.Fprintf(&b, "%s: %s; %s\n", safe.Text(v.Go), safe.Text(affectedText(v.Affected, v.Doubts)), proofText(v))
	}
	for _, s := range p.Series {
		fmt.Fprintf(&b, "%s, %s, %s under %s: %d of %d died in %.1f s, median %s, %s per second\n",
			safe.Text(s.Go), s.Kind, safe.Text(s.Func), safe.Text(s.Observer), s.Deaths, s.Runs, s.Exposed, s.MedianText, s.RateText)
	}
	for _, w := range p.Windows {
		fmt.Fprintf(&b, "%s, %s, frame %d: %s+%s: %d, %d claimed; %s\n", safe.Text(w.Go), w.Kind, w.Frame, safe.Text(w.Name), safe.Text(w.Offset), w.Actual, w.Claimed, pinnedText(w))
	}
	_, err := io.WriteString(to, b.String())
	return err
}

func affectedText(affected, doubts []string) string {
	switch {
	case len(doubts) > 0:
		return "no verdict: " + strings.Join(doubts, "; ")
	case len(affected) == 0:
		return "clean"
	}
	return strings.Join(affected, ", ")
}

// proofText says what a verdict rests on. Records of older versions do not say which
// runs were made.
func proofText(v record.Verdict) string {
	switch {
	case !v.Proved:
		return "from the code alone, nothing was run"
	case v.Tested == nil:
		return "run, and not recorded how"
	}
	return Tested(trial.Tested{Windows: v.Tested.Windows, Controls: v.Tested.Controls, Stress: v.Tested.Stress, Seconds: v.Tested.Seconds})
}

func pinnedText(w windowRow) string {
	for _, r := range w.Runs {
		if r.Outcome == trial.Died {
			return fmt.Sprintf("died, %.2f s", r.Seconds)
		}
	}
	return "-"
}
