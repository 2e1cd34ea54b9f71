package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"splitadd/internal/core"
	"splitadd/internal/hint"
	"splitadd/internal/record"
	"splitadd/internal/report"
	"splitadd/internal/triage"
)

// triageVerb says whether crashes were this defect, from logs and core files.
func triageVerb(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("triage", flag.ContinueOnError)
	path := flags.String("binary", "", "`FILE` is the binary that crashed; without it, no answer is split SP or split FP")
	json := flags.Bool("json", false, jsonFlag)
	markdown := flags.Bool("markdown", false, "print Markdown, for an issue tracker")
	if err := parse(flags, args); err != nil {
		return err
	}
	if *json && *markdown {
		return usageError{errors.New("-json and -markdown exclude each other")}
	}
	inputs := flags.Args()
	if len(inputs) == 0 {
		inputs = []string{"-"}
	}
	var binary *triage.Binary
	if *path != "" {
		var err error
		if binary, err = triage.Open(ctx, *path); err != nil {
			return hintBinary(err)
		}
		defer binary.Close()
	}
	affected, suspect := false, false
	var failed error
	for _, input := range inputs {
		if input == "-" && term.IsTerminal(int(os.Stdin.Fd())) {
			fmt.Fprintln(stderr, "splitadd: reading the log from standard input; Ctrl-D ends it")
		}
		verdicts, err := triageInput(ctx, input, binary)
		if err != nil {
			failed = errors.Join(failed, hintInput(err))
		}
		for _, v := range verdicts {
			affected, suspect = affected || v.Answer.Split(), suspect || v.Suspect
			switch {
			case *json:
				err = record.Writer{Out: stdout}.Triage(v)
			case *markdown:
				err = report.TriageMarkdown(stdout, v)
			default:
				err = report.Triage(stdout, v)
			}
			if err != nil {
				return err
			}
		}
	}
	if failed != nil && (affected || suspect) {
		sayError(stderr, failed)
	}
	switch {
	case affected:
		return errAffected
	case suspect:
		return errSuspect
	}
	return failed
}

func triageInput(ctx context.Context, input string, b *triage.Binary) ([]triage.Verdict, error) {
	if input != "-" {
		return triage.File(ctx, input, b)
	}
	// A read from a terminal cannot be interrupted by a context, only by the end of the
	// process.
	type answer struct {
		verdicts []triage.Verdict
		err      error
	}
	done := make(chan answer, 1)
	go func() {
		verdicts, err := triage.Reader("-", os.Stdin, b)
		done <- answer{verdicts, err}
	}()
	select {
	case a := <-done:
		return a.verdicts, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hintInput adds a hint to the error for an input that cannot be read.
func hintInput(err error) error {
	switch {
	case errors.Is(err, triage.ErrPacked):
		return &hint.Error{Err: err, Hint: "unpack it first, and name the log in it: splitadd unpacks only gzip and zstd itself"}
	case errors.Is(err, triage.ErrBinary):
		return &hint.Error{Err: err, Hint: "name the log, and the program that printed it: splitadd triage -binary FILE LOG"}
	case errors.Is(err, triage.ErrEmpty), errors.Is(err, triage.ErrText):
		return &hint.Error{Err: err, Hint: "give what the process printed to its standard error"}
	case errors.Is(err, triage.ErrOmitted):
		return &hint.Error{Err: err, Hint: "cut the log around the crash: splitadd triage reads standard input"}
	case errors.Is(err, core.ErrFormat):
		return &hint.Error{Err: err, Hint: "name a crash log, or an ELF core file for arm64"}
	case errors.Is(err, os.ErrNotExist):
		return &hint.Error{Err: err, Hint: "name a log or a core file; with none, standard input is read"}
	}
	return err
}
