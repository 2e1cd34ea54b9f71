package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"splitadd/internal/diagnose"
	"splitadd/internal/record"
	"splitadd/internal/report"
	"splitadd/internal/trial"
)

// diagnoseVerb runs a user's flaky program in a few ways, and says what kills it.
func diagnoseVerb(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var p diagnose.Program
	flags := flag.NewFlagSet("diagnose", flag.ContinueOnError)
	flags.IntVar(&p.Runs, "runs", 100, "run the program `N` times in each way")
	flags.DurationVar(&p.Limit, "limit", time.Minute, "end a run after `TIME`: it counts as hung")
	flags.StringVar(&p.RaceBuild, "race", "", "also run `FILE`, a build of the program with the race detector")
	engineFlags(flags, &p.Choice)
	json := flags.Bool("json", false, jsonFlag)
	if err := parse(flags, args); err != nil {
		return err
	}
	switch {
	case flags.NArg() == 0:
		return usageError{errors.New("diagnose takes a command to run, after --")}
	case p.Runs < 1:
		return usageError{fmt.Errorf("-runs %d: want 1 or more", p.Runs)}
	case p.Limit <= 0:
		return usageError{fmt.Errorf("-limit %v: want more than 0", p.Limit)}
	}
	if err := engineUsage(p.Choice); err != nil {
		return err
	}
	p.Command = flags.Args()
	progress := newProgress(stderr)
	r, err := diagnose.Run(ctx, p, func(s trial.Step) { progress.step(s.What, s.Done, s.Total) })
	progress.end()
	if len(r.Counts) > 0 { // also if it was interrupted: what was measured until then
		var shown error
		if *json {
			shown = record.Writer{Out: stdout, Engine: r.Engine}.Diagnosis(r)
		} else {
			shown = report.Diagnosis(stdout, r)
		}
		err = errors.Join(err, shown)
	}
	if err == nil && r.Conclusion != "undecided" {
		return errAffected
	}
	return err
}
