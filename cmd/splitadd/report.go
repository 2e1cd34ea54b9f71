package main

import (
	"context"
	"errors"
	"flag"
	"io"

	"splitadd/internal/report"
)

// reportVerb writes a bug report, or one file of records.
func reportVerb(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var r reproducer
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	r.flags(flags)
	bug := flags.String("bug", "", "")
	if done, err := parse(flags, args, stdout); done || err != nil {
		return err
	}
	if *bug == "" || flags.NArg() > 0 {
		return usageError{errors.New("report -bug takes one toolchain")}
	}
	kind, source, err := r.source()
	if err != nil {
		return err
	}
	proof, err := r.prove(ctx, *bug, kind, source, stderr)
	if err != nil {
		return err
	}
	return report.Bug(stdout, proof)
}
