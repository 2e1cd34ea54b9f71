package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"text/template"

	"github.com/dustin/go-humanize/english"

	"splitadd/internal/crash"
	"splitadd/internal/repro"
	"splitadd/internal/safe"
	"splitadd/internal/window"
)

// Proof writes a reproducer's source, and below it the proof as a comment.
func Proof(to io.Writer, p repro.Proof) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; %s\n%s\nStress runs: %s\n", p.Go, p.Engine, pinnedLine(p), stressLine(p))
	if p.Log != nil {
		fmt.Fprintf(&b, "\n%s\n", safe.Lines(crash.Excerpt(p.Log, p.Window.Func)))
	}
	var comment strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		comment.WriteString(strings.TrimRight("// "+line, " \t") + "\n")
	}
	_, err := io.WriteString(to, "\n"+comment.String())
	return err
}

func pinnedLine(p repro.Proof) string {
	return fmt.Sprintf("Pinned at main.victim+%#x, in the %s window: died after %.2f s.", p.Window.Offset(), p.Kind, p.Pinned.Seconds)
}

func stressLine(p repro.Proof) string {
	text := fmt.Sprintf("%d of %d runs died, median %s, %s per second.", p.Lives.Deaths(), len(p.Lives), Median(p.Lives), Rate(p.Lives))
	for _, w := range p.Lives.Warnings() {
		text += " Note: " + w + "."
	}
	return text
}

//go:embed bug.md
var bugText string

var bugTemplate = template.Must(template.New("bug").Parse(bugText))

// A bug is what the template of a bug report shows. Texts from outside are safe to print.
type bug struct {
	repro.Proof
	Source, Settings, Log string
	PinnedRun, StressRuns string
	NonLeaf, FP, Emulated bool
	Fixed                 string // the releases that fixed non-leaf SP
}

// Bug writes a bug report in the form of the Go issue tracker's template.
func Bug(to io.Writer, p repro.Proof) error {
	known, _ := window.KindNamed("non-leaf SP")
	b := bug{
		Proof: p, Source: string(p.Source), Settings: safe.Lines(strings.TrimSpace(p.Settings)),
		PinnedRun: pinnedLine(p), StressRuns: stressLine(p),
		NonLeaf: strings.HasPrefix(p.Kind, "non-leaf"), FP: strings.HasSuffix(p.Kind, "FP"),
		Emulated: strings.Contains(p.Engine, "emulated"),
		Fixed:    english.WordSeries(known.Fixed, "and"),
	}
	if p.Log != nil {
		b.Log = safe.Lines(crash.Excerpt(p.Log, p.Window.Func))
	}
	var text bytes.Buffer
	if err := bugTemplate.Execute(&text, b); err != nil {
		return err
	}
	_, err := to.Write(text.Bytes())
	return err
}
