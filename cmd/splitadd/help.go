package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Sentences that the help of several verbs has.
const (
	aboutWindow = "A window is a place in Go code for arm64 at which a goroutine may be preempted\n" +
		"asynchronously although the code does not survive it."
	aboutEngine = "ENGINE stands for -engine, -emulator and -kernel."
)

// writeOverview writes the list of verbs: a screen of 80 columns and 24 lines.
func writeOverview(to io.Writer) error {
	var b strings.Builder
	b.WriteString("Splitadd finds windows, and proves them: places in Go code for arm64 at which a\n")
	b.WriteString("goroutine may be preempted asynchronously although the code does not survive it.\n\n")
	b.WriteString("Usage: splitadd VERB [FLAGS] [ARGUMENTS]\n\n")
	for _, v := range verbs {
		fmt.Fprintf(&b, "  %-12s%s\n", v.name, v.summary)
	}
	b.WriteString("\nExamples:\n")
	for _, name := range []string{"check", "scan", "triage"} {
		fmt.Fprintf(&b, "  $ %s\n", findVerb(name).example)
	}
	b.WriteString("\nsplitadd help VERB shows the verb's flags, exit statuses and an example.\n")
	_, err := io.WriteString(to, b.String())
	return err
}

// writeHelp writes the help of a verb that has those flags.
func (v *verb) writeHelp(to io.Writer, flags *flag.FlagSet) error {
	first, rest, _ := strings.Cut(v.about, "\n\n")
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nUsage:\n", first)
	command := "    splitadd " + v.name
	for _, form := range v.forms {
		lines := wrap(form, 80-len(command)-1)
		fmt.Fprintln(&b, strings.TrimRight(command+" "+lines[0], " "))
		for _, line := range lines[1:] {
			fmt.Fprintf(&b, "%*s %s\n", len(command), "", line)
		}
	}
	if rest != "" {
		fmt.Fprintf(&b, "\n%s\n", rest)
	}
	heading := "\nFlags:\n"
	columns := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	flags.VisitAll(func(f *flag.Flag) {
		fmt.Fprint(columns, heading)
		heading = ""
		argument, text := flag.UnquoteUsage(f)
		name := strings.TrimSpace("-" + f.Name + " " + argument)
		if d := f.DefValue; d != "" && d != "false" && d != "0" {
			text += " (default " + d + ")"
		}
		for _, line := range wrap(text, 60) {
			fmt.Fprintf(columns, "  %s\t%s\n", name, line)
			name = ""
		}
	})
	columns.Flush()
	b.WriteString("\nExit status:\n")
	for _, s := range v.statuses {
		fmt.Fprintf(&b, "  %-5d%s\n", s.code, s.means)
	}
	fmt.Fprintf(&b, "\nExample:\n    $ %s\n", v.example)
	_, err := io.WriteString(to, b.String())
	return err
}

// wrap breaks a text at spaces into lines of a width, or of one word that is longer.
func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}
