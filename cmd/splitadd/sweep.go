package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"go/version"
	"io"
	"slices"

	"splitadd/internal/hint"
	"splitadd/internal/lab"
	"splitadd/internal/record"
	"splitadd/internal/report"
	"splitadd/internal/sweep"
	"splitadd/internal/trial"
)

// sweepVerb checks the newest patch of each minor release by pins, and searches the
// releases in which each kind of window went away.
func sweepVerb(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := newChecker(stdout, stderr)
	flags := flag.NewFlagSet("sweep", flag.ContinueOnError)
	from := flags.String("from", "", "the oldest `RELEASE`, such as go1.18 (required)")
	to := flags.String("to", "", "the newest `RELEASE` (default: the newest that the go command lists)")
	kept := flags.String("records", "", "keep the records in `FILE`; a release that is in it already is not measured again")
	flags.BoolVar(&c.json, "json", false, jsonFlag)
	engineFlags(flags, &c.choice)
	if err := parse(flags, args); err != nil {
		return err
	}
	switch {
	case *from == "":
		return usageError{errors.New("sweep takes -from RELEASE")}
	case flags.NArg() > 0:
		return usageError{errors.New("sweep takes -from RELEASE, and no toolchain")}
	case !version.IsValid(*from), *to != "" && !version.IsValid(*to):
		return usageError{fmt.Errorf("-from %s -to %s: want releases such as go1.18 and go1.27.4", *from, *to)}
	case version.Compare(version.Lang(*from), lab.Oldest) < 0:
		return usageError{fmt.Errorf("-from %s: needs %s or later", *from, lab.Oldest)}
	case *to != "" && version.Compare(*from, *to) > 0:
		return usageError{fmt.Errorf("-from %s -to %s: nothing lies between", *from, *to)}
	}
	if err := engineUsage(c.choice); err != nil {
		return err
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	defer c.end()
	return c.sweep(ctx, *from, *to, *kept)
}

// sweep runs the sweep. It does not measure again what the file of records holds.
func (c *checker) sweep(ctx context.Context, from, to, kept string) error {
	if c.engine == nil {
		return &hint.Error{Err: errors.New("a sweep pins what it finds, and nothing here runs arm64 programs"), Hint: "name a -engine, or install QEMU's user-mode emulator"}
	}
	s := sweep.Sweep{IsUnavailable: func(err error) bool { return errors.Is(err, lab.ErrUnavailable) && ctx.Err() == nil }, Check: c.release}
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
	if s.Releases, err = lab.Releases(ctx); err != nil {
		return err
	}
	if to == "" {
		to = slices.MaxFunc(s.Releases, version.Compare)
	}
	c.limit, c.tables = 0, false
	result, err := s.Run(ctx, from, to)
	c.progress.end()
	if !c.json && len(result.Rows) > 0 { // so far, if it was interrupted
		err = errors.Join(err, report.Sweep(c.stdout, c.engine.Evidence, result))
	}
	if err != nil {
		return err
	}
	affected, err := result.Affected()
	switch {
	case err != nil:
		return &hint.Error{Err: err, Hint: "can the go command reach its module proxy? GOPROXY says which"}
	case affected:
		return errAffected
	}
	return nil
}

// release checks one release of a sweep.
func (c *checker) release(ctx context.Context, name string) (v trial.Verdict, err error) {
	c.progress.say("toolchain " + name)
	t, err := lab.Resolve(ctx, name)
	if err != nil {
		return v, err
	}
	v, err = c.toolchain(ctx, t)
	if err == nil && len(v.Doubts) > 0 {
		err = fmt.Errorf("%s: the windows found and the crashes seen do not agree: %v", name, v.Doubts)
	}
	return v, err
}
