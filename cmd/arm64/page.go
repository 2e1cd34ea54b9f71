package main

import (
	"bytes"
	"fmt"
	"strings"

	"splitadd/internal/safe"
)

// tailLines is how many of the last lines of a step the page shows.
const tailLines = 40

// page returns a page in Markdown about how the steps ended.
func page(p *place, results []result) []byte {
	var b bytes.Buffer
	b.WriteString("# On arm64\n\n")
	b.WriteString("`make test-arm64` writes this page. On an arm64 machine with Linux it runs the commands\n" +
		"below there. On another machine it builds the Go in use for linux/arm64 from its own source,\n" +
		"puts it on a disk with this project and its modules, boots a virtual machine with it, and\n" +
		"runs the commands inside, as an ordinary user. Splitadd's engine is then `native`.\n\n")
	fmt.Fprintf(&b, "Commit %s on %s.\n\n", p.commit, p.evidence)
	b.WriteString("| what | command | result | tests | time |\n| --- | --- | --- | --- | --- |\n")
	for _, r := range results {
		verdict := "as wanted"
		if !r.asWanted() {
			verdict = "**not as wanted**"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s: %s | %s | %.1f s |\n", r.what, strings.ReplaceAll(r.command, "|", "\\|"), r.end(), verdict, r.tests(), r.Seconds)
	}
	if p.booted {
		b.WriteString(leftOpen)
	}
	if len(notThere) > 0 {
		b.WriteString("\n## Tests that are not run there\n\n| tests | why |\n| --- | --- |\n")
		for _, n := range notThere {
			fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(n.tests, "|", "\\|"), n.why)
		}
	}
	b.WriteString(darwin)
	b.WriteString("\n## What the commands printed\n")
	for _, r := range results {
		lines := strings.Split(strings.TrimSpace(string(r.Output)), "\n")
		if len(lines) > tailLines {
			lines = append([]string{fmt.Sprintf("[%d lines are left out]", len(lines)-tailLines)}, lines[len(lines)-tailLines:]...)
		}
		fmt.Fprintf(&b, "\n### %s\n\n", strings.ToUpper(r.what[:1])+r.what[1:])
		for _, line := range lines {
			fmt.Fprintf(&b, "    %s\n", safe.Text(line))
		}
	}
	return b.Bytes()
}

// leftOpen says what a run in the virtual machine does not show.
const leftOpen = `
## What emulation leaves open

- No real core ran anything. Under QEMU an interrupt lands between blocks of instructions,
  and rates and times are those of an emulator.
- The memory model of the emulator is stronger than that of an arm64 core, so that a missing
  barrier between two cores may do no harm there.
- The standard library of each Go in the virtual machine was compiled on the host, by the same
  version of the compiler. Everything else was compiled and linked in the machine.
`

// darwin says what is known about macOS.
const darwin = `
## macOS

Splitadd compiles for darwin/arm64, and "go vet" is part of "make lint" there. **It has never
run on macOS.** Signals that reach a thread are counted on Linux only, so that on macOS a
pinned victim that is not preempted is a harness failure.
`
