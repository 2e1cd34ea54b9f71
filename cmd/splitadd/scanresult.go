package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"splitadd/internal/hint"
	"splitadd/internal/output"
	"splitadd/internal/record"
	"splitadd/internal/report"
	"splitadd/internal/safe"
	"splitadd/internal/survey"
	"splitadd/internal/window"
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
	case s.quiet:
		if n := b.Preemptible(); n > 0 {
			_, err := fmt.Fprintf(s.stdout, "%s: %s\n", safe.Text(b.Name()), strings.Join(b.Kinds(), ", "))
			return err
		}
		return nil
	}
	s.found = append(s.found, b)
	return nil
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
		err = report.Binaries(s.stdout, s.found, s.sum, report.Style{Color: s.color})
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

// toFile writes the result to the file that the user named, if the scan comes to its end.
func (s *scanner) toFile(ctx context.Context, args []string) error {
	var found error
	err := output.Replace(s.out, 0o666, func(file *os.File) error {
		to := bufio.NewWriter(file)
		s.stdout, s.records.To = to, to
		err := s.run(ctx, args)
		if errors.Is(err, errAffected) || errors.Is(err, errAlreadyReported) {
			found, err = err, nil
		}
		return errors.Join(err, to.Flush())
	})
	return errors.Join(err, found)
}

// outputKind returns the kind of file that the result is, in the form that the user chose.
func (s *scanner) outputKind() output.Kind {
	switch {
	case s.json:
		return recordsKind
	case s.sarif:
		return output.Kind{Name: "a SARIF log", Verify: containsText(`sarif`)}
	case s.vex:
		return output.Kind{Name: "an OpenVEX document", Verify: containsText(`"@context": "https://openvex.dev/`)}
	case s.quiet:
		return output.Kind{Name: "a list of affected files", Verify: isList}
	}
	return output.Kind{Name: "the result of a scan", Verify: containsText(" for arm64, ")}
}

// isList returns nil for what scan -q prints.
func isList(r io.Reader) error {
	line, _, err := bufio.NewReader(io.LimitReader(r, 1<<16)).ReadLine()
	if err != nil {
		return err
	}
	for _, kind := range window.KindNames() {
		if bytes.HasSuffix(line, []byte(" "+kind)) {
			return nil
		}
	}
	return errors.New("its first line does not end with a kind of window")
}
