// Arm64 runs splitadd's command and tests on arm64, and writes a page that says what ran
// and how it ended.
//
//	arm64 -o FILE [-only WORD] [-disk IMAGE]
//
// On an arm64 machine with Linux it runs them there. Elsewhere it boots a virtual machine
// for arm64 with this project and a Go for arm64 on its disk. Run it in the root of the
// project. With -only it runs the steps whose description has the word, and the steps that
// those need. With -disk it keeps the disk in IMAGE, or uses the one that is there, which
// has the project and the files of the run before.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"splitadd/internal/hint"
	"splitadd/internal/output"
	"splitadd/internal/program"
)

func main() { program.Main("arm64", run) }

// run runs the steps, and writes the page after each, even if it failed.
func run(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("arm64", flag.ContinueOnError)
	flags.SetOutput(stderr)
	out := flags.String("o", "", "the page to write")
	only := flags.String("only", "", "run only the steps whose description has this word")
	disk := flags.String("disk", "", "keep the virtual machine's disk in this file, or use the one that is there")
	if err := program.Parse(flags, args); err != nil {
		return err
	}
	if *out == "" || flags.NArg() > 0 {
		return fmt.Errorf("%w: want a page to write, -o FILE, and nothing else", program.ErrUsage)
	}
	chosen := choose(*only)
	if len(chosen) == 0 {
		return fmt.Errorf("%w: -only %s: no such step", program.ErrUsage, *only)
	}
	p, err := findPlace(ctx, *disk, stderr)
	if err != nil {
		return err
	}
	defer p.close()
	results, err := runSteps(ctx, chosen, p, stderr, func(results []result) error { return output.Write(*out, page(p, results)) })
	if err != nil {
		return err
	}
	for _, r := range results {
		if !r.asWanted() {
			return &hint.Error{Err: fmt.Errorf("%s: %s", r.what, r.end()), Hint: "its last lines are in " + *out}
		}
	}
	return nil
}
