package report

import (
	"fmt"
	"io"
	"strings"

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
		fmt.Fprintf(&b, "\n%s\n", safe.Lines(crash.Cut(p.Log, p.Window.Func)))
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
	text := fmt.Sprintf("%d of %d runs died, median %s, %s a second.", p.Lives.Deaths(), len(p.Lives), Median(p.Lives), Rate(p.Lives))
	for _, w := range p.Lives.Warnings() {
		text += " Note: " + w + "."
	}
	return text
}

// Bug writes a bug report in the form of the Go issue tracker's template.
func Bug(to io.Writer, p repro.Proof) error {
	pointer, unwinder := "stack pointer", "the next stack scan"
	if strings.HasSuffix(p.Kind, "FP") {
		pointer, unwinder = "frame pointer", "the execution tracer"
	}
	kind, leaf := "a leaf function", "The fix of golang/go#73259 covers the epilogue of functions that make calls; this is a leaf function."
	if strings.HasPrefix(p.Kind, "non-leaf") {
		known, _ := window.KindNamed("non-leaf SP")
		kind, leaf = "a function that makes calls", "This is golang/go#73259, fixed in "+english.WordSeries(known.Fixed, "and")+"."
	}
	var b strings.Builder
	fmt.Fprintf(&b, `runtime: arm64: process dies of %[1]s preempted between the two ADDs that restore its %[2]s

### Go version

%[3]s

### What operating system and processor architecture are you using?

Built for linux/arm64. Run on: %[4]s

### Output of `+"`go env`"+` in your module/workspace:

`+"```shell\n%[14]s\n```"+`

### What did you do?

Built and ran this program:

`+"```go\n%[5]s```"+`

Its victim is %[1]s with a frame of %[6]d bytes. It restores its
%[2]s with two ADDs, and the goroutine is preempted between them:

`+"```\n%[7]s```"+`

At +%#[8]x the %[2]s is %[9]d bytes below the stack pointer at entry, where %[10]d are
believed. The instruction there is neither an unsafe nor a restartable point.

### What did you see happen?

The process dies in %[11]s.

- %[12]s (The instruction was replaced by a
  branch to itself: the goroutine waits there until it is preempted.)
- As built: %[13]s

`, kind, pointer, p.Go, p.Engine, p.Source, p.Window.Frame, p.Disassembly, p.Window.Offset(), p.Window.Actual, p.Window.Claimed, unwinder, pinnedLine(p), stressLine(p), safe.Lines(strings.TrimSpace(p.Settings)))
	text := b.String()
	if p.Log != nil {
		text += "```\n" + safe.Lines(crash.Cut(p.Log, p.Window.Func)) + "\n```\n\n"
	}
	text += `### What did you expect to see?

The program runs for ever: it has no data race, no unsafe code and no assembly.

### What is not known

- ` + leaf + "\n"
	if strings.Contains(p.Engine, "emulated") {
		text += "- All runs were made under emulation, as said above: rates on a real core are not known.\n"
	}
	text += "- How often programs in use are hit: a rate of this program says nothing of theirs.\n"
	_, err := io.WriteString(to, text)
	return err
}
