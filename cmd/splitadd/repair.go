package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"splitadd/internal/budget"
	"splitadd/internal/hint"
	"splitadd/internal/objfile"
	"splitadd/internal/patch"
	"splitadd/internal/pclntab"
	"splitadd/internal/report"
	"splitadd/internal/survey"
)

// repairVerb writes a copy of a binary in which the windows are closed.
func repairVerb(ctx context.Context, args []string, stdout, _ io.Writer) error {
	flags := flag.NewFlagSet("repair", flag.ContinueOnError)
	out := flags.String("o", "", "write the repaired copy to `FILE`")
	dry := flags.Bool("dry-run", false, "write nothing: say what can be closed")
	diff := flags.Bool("diff", false, "also print the words that change")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 1 {
		return usageError{fmt.Errorf("repair takes one binary, not also %q", flags.Arg(1))}
	}
	path := flags.Arg(0)
	switch {
	case path == "":
		return usageError{errors.New("repair takes a binary")}
	case (*out == "") != *dry:
		return usageError{errors.New("repair takes a file to write to, -o FILE, or -dry-run")}
	}
	if !*dry {
		if err := checkOutput(*out, executableKind, path); err != nil {
			return err
		}
	}
	f, err := survey.Open(ctx, path, budget.Default)
	if err != nil {
		return hintBinary(err)
	}
	defer f.Close()
	return f.Guard(func() error {
		plan, err := patch.NewPlan(f)
		if err != nil {
			return hintBinary(err)
		}
		if !*dry {
			switch err := plan.Write(*out); {
			case errors.Is(err, patch.ErrIdentity):
				return &hint.Error{Err: err, Hint: "remove the signature, repair the binary, and sign the copy"}
			case err != nil:
				return err
			}
		}
		if err := report.Repair(stdout, path, plan, *dry, *diff); err != nil {
			return err
		}
		if len(plan.Unrepaired)+len(plan.OtherKinds) > 0 || *dry && len(plan.Repaired) > 0 {
			return errAffected
		}
		return nil
	})
}

// hintBinary adds a hint to the error for a file that is not a Go binary for arm64.
func hintBinary(err error) error {
	if errors.Is(err, objfile.ErrFormat) || errors.Is(err, survey.ErrNotArm64Go) || errors.Is(err, pclntab.ErrNoTable) {
		return &hint.Error{Err: err, Hint: "name a Go binary for arm64"}
	}
	return err
}
