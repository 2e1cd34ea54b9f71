package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"splitadd/internal/lab"
	"splitadd/internal/record"
	"splitadd/internal/report"
	"splitadd/internal/survey"
)

// A scanner carries out the verb scan.
type scanner struct {
	json, sarif, quiet, all bool

	stdout, stderr io.Writer
	progress       *progress
	records        record.Writer
	sum            record.Scan
	found          []*survey.Binary // for SARIF
	built          string           // the folder of what was built here
}

func scan(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s := scanner{stdout: stdout, stderr: stderr, records: record.Writer{To: stdout}}
	flags := flag.NewFlagSet("scan", flag.ContinueOnError)
	flags.BoolVar(&s.json, "json", false, "")
	flags.BoolVar(&s.sarif, "sarif", false, "")
	flags.BoolVar(&s.quiet, "q", false, "")
	flags.BoolVar(&s.all, "all", false, "")
	if done, err := parse(flags, args, stdout); done || err != nil {
		return err
	}
	if s.json && s.sarif || s.quiet && (s.json || s.sarif) {
		return usageError{errors.New("-json, -sarif and -q exclude each other")}
	}
	if flags.NArg() == 0 {
		return usageError{errors.New("scan what? Name a binary, a folder or a package")}
	}
	s.progress = newProgress(stderr)
	defer s.progress.end()

	var patterns []string
	for _, arg := range flags.Args() {
		switch _, err := os.Stat(arg); {
		case err == nil:
			if err := s.path(ctx, arg); err != nil {
				return err
			}
		case errors.Is(err, fs.ErrNotExist) && !filepath.IsAbs(arg):
			patterns = append(patterns, arg)
		default:
			return &lab.Error{Err: err, Hint: "name a binary, a folder, or a package pattern"}
		}
	}
	if len(patterns) > 0 {
		if err := s.packages(ctx, patterns); err != nil {
			return err
		}
	}
	return s.finish()
}

// path scans a file, or the files below a folder.
func (s *scanner) path(ctx context.Context, root string) error {
	paths, err := survey.Files(root, func(err error) { s.failed(err) })
	if err != nil {
		return err
	}
	alone := len(paths) == 1 && paths[0] == root
	done := 0
	return survey.Each(ctx, paths, s.all, func(r survey.Result) error {
		s.progress.late(r.Path, done, len(paths))
		done++
		switch {
		case r.Err == nil:
			return s.binary(r.Binary)
		case errors.Is(r.Err, survey.ErrOther) && !alone:
			s.sum.Others++
		default:
			s.failed(r.Err)
		}
		return nil
	})
}

// packages builds packages for arm64, in a folder of its own, and scans what
// comes out.
func (s *scanner) packages(ctx context.Context, patterns []string) error {
	dir, err := os.MkdirTemp("", "splitadd-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s.progress.say("go build " + strings.Join(patterns, " "))
	if err := lab.BuildPackages(ctx, dir, patterns); err != nil {
		return err
	}
	s.progress.end()
	s.built = dir
	return s.path(ctx, dir)
}

// binary prints what was found in a binary.
func (s *scanner) binary(b *survey.Binary) error {
	if name, ok := strings.CutPrefix(b.Path, s.built+string(filepath.Separator)); ok && s.built != "" {
		b.Path = name // of a folder that is soon gone
	}
	s.sum.Binaries++
	if b.Preemptible() > 0 {
		s.sum.Affected++
	}
	s.progress.end()
	switch {
	case s.json:
		return s.records.Binary(b)
	case s.sarif:
		s.found = append(s.found, b)
		return nil
	case s.quiet:
		if n := b.Preemptible(); n > 0 {
			_, err := fmt.Fprintf(s.stdout, "%s: %s\n", b.Path, strings.Join(b.Kinds(), ", "))
			return err
		}
		return nil
	}
	return report.Binary(s.stdout, b)
}

// failed notes a file that could not be scanned.
func (s *scanner) failed(err error) {
	s.progress.end()
	s.sum.Errors = append(s.sum.Errors, err.Error())
	fmt.Fprintf(s.stderr, "splitadd: error: %v\n", err)
}

// finish prints the sum, and says how the scan ended.
func (s *scanner) finish() (err error) {
	s.progress.end()
	switch {
	case s.json:
		err = s.records.Scan(s.sum)
	case s.sarif:
		err = report.SARIF(s.stdout, s.found)
	case !s.quiet:
		_, err = fmt.Fprintf(s.stdout, "%d Go binaries for arm64, %d with windows; %d other files; %d errors\n",
			s.sum.Binaries, s.sum.Affected, s.sum.Others, len(s.sum.Errors))
	}
	switch {
	case err != nil:
		return err
	case s.sum.Affected > 0:
		return errAffected
	case len(s.sum.Errors) > 0:
		return &lab.Error{
			Err:  fmt.Errorf("%d of the files could not be scanned", len(s.sum.Errors)),
			Hint: "scan reads ELF, Mach-O and PE files for arm64 that Go 1.16 or later has linked",
		}
	}
	return nil
}
