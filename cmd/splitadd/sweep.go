package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"go/version"
	"slices"

	"splitadd/internal/lab"
	"splitadd/internal/record"
	"splitadd/internal/report"
	"splitadd/internal/sweep"
	"splitadd/internal/trial"
)

// sweepUsage says what is wrong with the flags of a sweep.
func sweepUsage(flags *flag.FlagSet, from, to, kept string, static bool) error {
	switch {
	case from == "" && (to != "" || kept != ""):
		return usageError{errors.New("-to and -records are for a sweep: -from RELEASE")}
	case from == "":
		return nil
	case flags.NArg() > 0:
		return usageError{errors.New("-from takes no other toolchains")}
	case static:
		return usageError{errors.New("-from pins what it finds: not with -static")}
	case !version.IsValid(from), to != "" && !version.IsValid(to):
		return usageError{fmt.Errorf("-from %s -to %s: want releases such as go1.18 and go1.27.4", from, to)}
	case to != "" && version.Compare(from, to) > 0:
		return usageError{fmt.Errorf("-from %s -to %s: nothing lies between", from, to)}
	}
	return nil
}

// sweep checks the newest patch of each minor release by pins, and searches the
// releases in which each kind of window went away. What the file of records holds
// already is not measured again.
func (c *checker) sweep(ctx context.Context, from, to, kept string) error {
	if c.engine == nil {
		return &lab.Error{Err: errors.New("a sweep pins what it finds, and nothing here runs arm64 programs"), Hint: "name a -engine, or install QEMU's user-mode emulator"}
	}
	s := sweep.Sweep{Missing: func(err error) bool { return errors.Is(err, lab.ErrUnavailable) && ctx.Err() == nil }}
	if kept != "" {
		file, whole, err := openRecords(kept)
		if err != nil {
			return err
		}
		defer file.Close()
		c.records = file
		if s.Known, err = record.ReadVerdicts(whole); err != nil {
			return fmt.Errorf("%s: %w", kept, err)
		}
	}
	c.progress.say("list of releases")
	var err error
	if s.Listed, err = lab.Releases(ctx); err != nil {
		return err
	}
	if to == "" {
		to = slices.MaxFunc(s.Listed, version.Compare)
	}
	c.limit, c.shown = 0, false
	s.Check = func(ctx context.Context, release string) (v trial.Verdict, err error) {
		c.progress.say("toolchain " + release)
		t, err := lab.Resolve(ctx, release)
		if err != nil {
			return v, err
		}
		v, err = c.toolchain(ctx, t)
		if err == nil && len(v.Doubts) > 0 {
			err = fmt.Errorf("%s: what was found and what was seen do not agree: %v", release, v.Doubts)
		}
		return v, err
	}
	result, err := s.Run(ctx, from, to)
	c.progress.end()
	if !c.json && len(result.Rows) > 0 { // so far, where it was interrupted
		err = errors.Join(err, report.Sweep(c.stdout, c.engine.Evidence, result))
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(result.Rows, func(r sweep.Row) bool { return len(r.Verdict.Affected) > 0 }) {
		return errAffected
	}
	return nil
}
