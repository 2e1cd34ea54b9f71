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
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"splitadd/internal/hint"
	"splitadd/internal/record"
	"splitadd/internal/study"
	"splitadd/internal/trial"
)

// The releases of the study: the newest, and the two of the published puzzle.
const newest = "go1.27.4"

var puzzle = [2]string{"go1.23.4", "go1.23.9"}

// errUsage is wrapped by the error of a mistake on the command line.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	switch {
	case err == nil:
		return
	case errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, "reachability: error:", err)
	var hinted *hint.Error
	if errors.As(err, &hinted) {
		fmt.Fprintln(os.Stderr, "reachability: hint:", hinted.Hint)
	}
	if errors.Is(err, errUsage) {
		os.Exit(2)
	}
	os.Exit(1)
}

// run measures, if that is asked for, and writes the page.
func run(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("reachability", flag.ContinueOnError)
	flags.SetOutput(stderr)
	out := flags.String("o", "", "the folder to write to")
	draw := flags.Bool("draw", false, "make the page from the records that are there")
	only := flags.String("only", "", "measure only the experiment with this name")
	limit := flags.Duration("limit", 6*time.Second, "how long a run may last")
	long := flags.Duration("canonical", 2*time.Minute, "how long a run of the canonical reproducer may last")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	switch {
	case *out == "" || flags.NArg() > 0:
		return fmt.Errorf("%w: want a folder to write to, -o DIR, and nothing else", errUsage)
	case *limit <= 0 || *long <= 0:
		return fmt.Errorf("%w: -limit and -canonical: want more than 0", errUsage)
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
		return fmt.Errorf("%w: -only %s: no such experiment", errUsage, only)
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
