package main

import (
	"errors"
	"fmt"
	"strings"

	"splitadd/internal/hint"
	"splitadd/internal/record"
	"splitadd/internal/report"
	"splitadd/internal/safe"
	"splitadd/internal/survey"
)

// result prints or counts the result for one file. If the user asked for that file, name
// is what to show.
func (s *scanner) result(r survey.Result, name string, asked bool) error {
	var foreign survey.ForeignArchError
	switch {
	case r.Err == nil:
		if s.vex {
			if err := checksum(r.Binary, r.Path); err != nil {
				return err
			}
		}
		if asked {
			r.Binary.Path = name
		}
		return s.binary(r.Binary)
	case asked:
		return s.failed(name, r.Err)
	case errors.As(r.Err, &foreign):
		s.sum.Foreign[foreign.Arch]++
	case errors.Is(r.Err, survey.ErrNotArm64Go):
		s.sum.NotArm64Go++
	default:
		return s.failed(r.Path, r.Err)
	}
	return nil
}

// binary prints what was found in a binary.
func (s *scanner) binary(b *survey.Binary) error {
	s.gate.Apply(b)
	s.sum.Accepted += b.Accepted
	s.sum.Binaries++
	if b.Preemptible() > 0 {
		s.sum.Affected++
	}
	s.progress.end()
	switch {
	case s.json:
		return s.records.Binary(b)
	case s.sarif, s.vex:
		s.found = append(s.found, b)
		return nil
	case s.quiet:
		if n := b.Preemptible(); n > 0 {
			_, err := fmt.Fprintf(s.stdout, "%s: %s\n", safe.Text(b.Name()), strings.Join(b.Kinds(), ", "))
			return err
		}
		return nil
	}
	return report.Binary(s.stdout, b)
}

// failed prints and counts what could not be scanned.
func (s *scanner) failed(path string, err error) error {
	s.progress.end()
	if errors.Is(err, survey.ErrNotArm64Go) {
		err = &hint.Error{Err: err, Hint: "scan reads ELF, Mach-O and PE files for arm64 that Go 1.16 or later has linked"}
	}
	sayError(s.stderr, err)
	s.sum.Errors = append(s.sum.Errors, err.Error())
	f := record.Failure{Path: path, Error: err.Error()}
	switch {
	case s.json:
		return s.records.Failure(f)
	case s.sarif:
		s.failures = append(s.failures, f)
	}
	return nil
}

// finish prints the totals, and returns the error for the exit status.
func (s *scanner) finish() (err error) {
	s.progress.end()
	s.staleEntries()
	switch {
	case s.json:
		err = s.records.Scan(s.sum)
	case s.sarif:
		err = report.SARIF(s.stdout, s.sum.Tool, s.found, s.failures)
	case s.vex:
		err = s.writeVEX()
	case !s.quiet:
		err = report.Scan(s.stdout, s.sum)
	}
	if err == nil {
		err = s.gated()
	}
	switch {
	case err != nil:
		return err
	case len(s.sum.Errors) > 0:
		return errAlreadyReported
	case s.sum.Binaries == 0:
		say(s.stderr, "hint", "name a Go binary for arm64, or packages to build for it, such as ./...")
	}
	return nil
}
