package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"splitadd/internal/record"
	"splitadd/internal/study"
	"splitadd/internal/trial"
)

// The releases of the study: the newest, and the two of the published puzzle.
const newest = "go1.27.4"

var puzzle = [2]string{"go1.23.4", "go1.23.9"}

// studyVerb measures what the time to crash depends on, and writes a page with
// its figures and the records that they were made from.
func studyVerb(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("study", flag.ContinueOnError)
	out := flags.String("o", "", "write the page, its figures and records into `DIR` (required)")
	draw := flags.Bool("draw", false, "measure nothing: make the page from the records in DIR")
	only := flags.String("only", "", "measure one experiment, that of `NAME` (default: all of them)")
	limit := flags.Duration("limit", 6*time.Second, "end a run after `TIME`")
	long := flags.Duration("canonical", 2*time.Minute, "end a run of the published reproducer after `TIME`")
	if err := parse(flags, args); err != nil {
		return err
	}
	switch {
	case *out == "" || flags.NArg() > 0:
		return usageError{errors.New("study takes a folder to write to, -o DIR, and nothing else")}
	case *limit <= 0 || *long <= 0:
		return usageError{errors.New("-limit and -canonical: want more than nothing")}
	}
	records := filepath.Join(*out, "reachability.jsonl")
	if !*draw {
		if err := measure(ctx, records, *only, *limit, *long, stderr); err != nil {
			return err
		}
	}
	in, err := os.Open(records)
	if err != nil {
		return err
	}
	defer in.Close()
	series, err := record.ReadSeries(in)
	if err != nil {
		return fmt.Errorf("%s: %w", records, err)
	}
	return study.Write(*out, series)
}

// measure writes the records of the groups of a name, or of all. Series that the
// file has already, whole, are not measured again.
func measure(ctx context.Context, path, only string, limit, long time.Duration, stderr io.Writer) error {
	plan := study.Plan(newest, puzzle, limit, long)
	plan = slices.DeleteFunc(plan, func(g study.Group) bool { return only != "" && g.Name != only })
	if len(plan) == 0 {
		return usageError{fmt.Errorf("-only %s: no such experiment", only)}
	}
	file, whole, err := openRecords(path)
	if err != nil {
		return err
	}
	defer file.Close()
	series, err := record.ReadSeries(whole)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	known := map[string]bool{}
	for _, s := range series {
		known[s.Label] = true
	}
	var groups []study.Group
	for _, g := range plan {
		g.Series = slices.DeleteFunc(g.Series, func(s trial.Series) bool { return known[s.Label] })
		if len(g.Series) > 0 {
			groups = append(groups, g)
		}
	}
	p := newProgress(stderr)
	defer p.end()
	err = study.Measure(ctx, groups, func(s trial.Step) { p.step(s.What, s.Done, s.Total) }, record.Writer{To: file})
	return errors.Join(err, file.Close())
}
