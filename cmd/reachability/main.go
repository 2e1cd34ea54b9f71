// Reachability measures what the time to crash depends on. It writes a page with the
// figures, and the records from which it made them.
//
//	reachability -o DIR [-draw] [-only NAME] [-limit TIME] [-canonical TIME]
//
// A full run takes most of an hour. It does not measure again what the records in DIR have.
// With -draw it measures nothing, and makes the page from these records. With -only it
// measures one experiment: body, victims, observer, frame, pair or watched. A run ends after
// the TIME of -limit, and a run of the canonical reproducer after that of -canonical.
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

	"splitadd/internal/program"
	"splitadd/internal/record"
	"splitadd/internal/study"
	"splitadd/internal/trial"
)

// The releases of the study: the newest, and the two of the published puzzle.
const newest = "go1.27.4"

var puzzle = [2]string{"go1.23.4", "go1.23.9"}

func main() { program.Main("reachability", run) }

// run measures, if that is asked for, and writes the page.
func run(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("reachability", flag.ContinueOnError)
	flags.SetOutput(stderr)
	out := flags.String("o", "", "the folder to write to")
	draw := flags.Bool("draw", false, "make the page from the records that are there")
	only := flags.String("only", "", "measure only the experiment with this name")
	limit := flags.Duration("limit", 6*time.Second, "how long a run may last")
	long := flags.Duration("canonical", 2*time.Minute, "how long a run of the canonical reproducer may last")
	if err := program.Parse(flags, args); err != nil {
		return err
	}
	switch {
	case *out == "" || flags.NArg() > 0:
		return fmt.Errorf("%w: want a folder to write to, -o DIR, and nothing else", program.ErrUsage)
	case *limit <= 0 || *long <= 0:
		return fmt.Errorf("%w: -limit and -canonical: want more than 0", program.ErrUsage)
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

// measure writes the records of one experiment, or of all if only is "". It does not
// measure again a series that is complete in the file.
func measure(ctx context.Context, path, only string, limit, long time.Duration, stderr io.Writer) error {
	plan := study.Plan(newest, puzzle, limit, long)
	plan = slices.DeleteFunc(plan, func(g study.Group) bool { return only != "" && g.Name != only })
	if len(plan) == 0 {
		return fmt.Errorf("%w: -only %s: no such experiment", program.ErrUsage, only)
	}
	file, whole, err := record.OpenFile(path)
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
	err = study.Measure(ctx, groups, func(s trial.Step) { fmt.Fprintf(stderr, "%d of %d: %s\n", s.Done, s.Total, s.What) }, record.Writer{Out: file})
	return errors.Join(err, file.Close())
}
