// Package report formats what was found and measured for people: as text, Markdown,
// HTML pages, SARIF, and bug reports.
package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize/english"

	"splitadd/internal/trial"
	"splitadd/internal/window"
)

// A Check has what was found and measured for one toolchain.
type Check struct {
	Go           string
	Engine       string // "" if nothing could be run
	Windows      []window.Window
	Runs         []trial.Run // pinned, and stress runs
	Controls     []trial.Run // in which nothing should die
	Victims      int         // how many functions were looked at
	Verdict      trial.Verdict
	UntestedHeld int             // windows of victims that the verdict does not use
	NotRun       []window.Window // preemptible, outside the victims
}

// Text writes a check as a table and a verdict.
func (c Check) Text(to io.Writer) error {
	var b strings.Builder
	engine := c.Engine
	if engine == "" {
		engine = "nothing was run"
	}
	fmt.Fprintf(&b, "%s, victims for arm64; %s\n\n", c.Go, engine)
	if len(c.Windows) > 0 {
		c.table(&b)
	}
	if c.UntestedHeld > 0 {
		fmt.Fprintf(&b, "also found in the victims, not run: %s of these kinds\n", english.Plural(c.UntestedHeld, "window", ""))
	}
	const most = 10
	for _, w := range c.NotRun[:min(len(c.NotRun), most)] {
		fmt.Fprintf(&b, "also found, not run: %v\n", w)
	}
	if more := len(c.NotRun) - most; more > 0 {
		fmt.Fprintf(&b, "also found, not run: %s\n", english.Plural(more, "more window", ""))
	}
	clean := c.Victims - c.affectedVictims()
	fmt.Fprintf(&b, "%d of %d victims have no window.\n", clean, c.Victims)
	if c.Verdict.Proved {
		c.controls(&b)
	}
	b.WriteString("\n" + c.Conclusion() + "\n")
	_, err := io.WriteString(to, b.String())
	return err
}

// controls writes how the control runs ended.
func (c Check) controls(b *strings.Builder) {
	var t table
	for _, r := range c.Controls {
		if r.Pinned {
			fmt.Fprintf(&t, "control\t%s+%#x\tpinned: %s\n", r.Func, r.Window.Offset(), brief(r))
		} else {
			fmt.Fprintf(&t, "control\t%s\tas built: %s\n", r.Func, brief(r))
		}
	}
	b.WriteString(t.String())
}

func (c Check) affectedVictims() int {
	names := map[string]bool{}
	for _, w := range c.Windows {
		names[w.Func] = true
	}
	return len(names)
}

func (c Check) table(b *strings.Builder) {
	var t table
	fmt.Fprintln(&t, "kind\tframe\twindow\tactual, claimed\tpinned there\tstress run")
	for _, w := range c.Windows {
		name := w.Func[strings.LastIndexByte(w.Func, '.')+1:]
		pinned, stressed := "-", ""
		for _, r := range c.Runs {
			switch {
			case r.Pinned && r.Window.PC == w.PC:
				pinned = brief(r)
			case !r.Pinned && r.Func == name && r.Class == w.Class:
				stressed = brief(r)
			}
		}
		pointer := "-"
		if w.Class == window.SP || w.Class == window.FP {
			pointer = fmt.Sprintf("%d, %d", w.Actual, w.Claimed)
		}
		fmt.Fprintf(&t, "%s\t%d\t%s+%#x\t%s\t%s\t%s\n", w.Kind(), w.Frame, name, w.Offset(), pointer, pinned, stressed)
	}
	b.WriteString(t.String() + "\n")
}

// Conclusion returns the verdict in a sentence.
func (c Check) Conclusion() string {
	v := c.Verdict
	switch {
	case len(v.Doubts) > 0:
		return fmt.Sprintf("verdict: none for %s: %s", c.Go, strings.Join(v.Doubts, "; "))
	case len(v.Affected) > 0 && v.Proved:
		return fmt.Sprintf("verdict: %s is affected: %s", c.Go, strings.Join(v.Affected, ", "))
	case len(v.Affected) > 0:
		return fmt.Sprintf("verdict: %s has windows (static, nothing was run): %s", c.Go, strings.Join(v.Affected, ", "))
	case v.Proved:
		return fmt.Sprintf("verdict: %s is clean: %s", c.Go, Tested(v.Tested))
	}
	return fmt.Sprintf("verdict: %s has no windows (static, nothing was run)", c.Go)
}

// Tested says what was run for a verdict without a doubt.
func Tested(t trial.Tested) string {
	var parts []string
	switch t.Windows {
	case 0:
		parts = append(parts, "no window found")
	case 1:
		parts = append(parts, "the 1 window that was found pinned")
	default:
		parts = append(parts, fmt.Sprintf("every one of %d windows pinned", t.Windows))
	}
	if t.Controls > 0 {
		parts = append(parts, "nothing died in "+english.Plural(t.Controls, "control pin", ""))
	}
	if t.Stress > 0 {
		parts = append(parts, fmt.Sprintf("nor in %s of unmodified guests, %.1f s", english.Plural(t.Stress, "run", ""), t.Seconds))
	}
	return strings.Join(parts, ", ")
}

// brief says how a run ended, for a cell of a table.
func brief(r trial.Run) string {
	switch {
	case r.Outcome == trial.Died && r.Confirmed() && (r.Held || r.Death.Window == nil):
		return fmt.Sprintf("%s, %.2f s (%s)", r.Death.Kind, r.Seconds, r.Observer)
	case r.Outcome == trial.Died && r.Confirmed():
		return fmt.Sprintf("died, %.2f s (%s)", r.Seconds, r.Observer)
	case r.Outcome == trial.Died:
		return fmt.Sprintf("died of something else, %.2f s (%s)", r.Seconds, r.Observer)
	case r.Outcome == trial.Survived:
		return fmt.Sprintf("survived %.1f s, %s (%s)", r.Seconds, english.Plural(r.Observations, "observation", ""), r.Observer)
	}
	return fmt.Sprintf("%s (%s)", r.Outcome, r.Observer)
}
