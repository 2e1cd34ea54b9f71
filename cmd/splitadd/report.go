package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"splitadd/internal/output"
	"splitadd/internal/record"
	"splitadd/internal/report"
)

// reportVerb writes a bug report, or one page that presents files of records.
func reportVerb(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var r reproducer
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	r.flags(flags)
	bug := flags.String("bug", "", "print a bug report about `TOOLCHAIN`")
	out := flags.String("o", "", "write the records' report to `FILE`: its name ends in .html, .md or .txt")
	if err := parse(flags, args); err != nil {
		return err
	}
	switch {
	case *bug != "" && (*out != "" || flags.NArg() > 0):
		return usageError{errors.New("report -bug takes one toolchain, and no -o or files: it prints")}
	case *bug == "" && (*out == "" || flags.NArg() == 0):
		return usageError{errors.New("report takes -bug TOOLCHAIN, or -o FILE and files of records")}
	case *bug == "":
		return page(*out, flags.Args())
	}
	kind, source, err := r.source()
	if err != nil {
		return err
	}
	proof, err := r.prove(ctx, *bug, kind, source, stderr)
	if err != nil {
		return err
	}
	return report.Bug(stdout, proof)
}

// pages are the forms of a report, by the ending of the file's name.
var pages = map[string]struct {
	kind  output.Kind
	write func(*report.Page, io.Writer) error
}{
	".html": {output.Kind{Name: "a report", Verify: containsText("<title>" + report.HTMLTitle + "</title>")}, (*report.Page).HTML},
	".md":   {output.Kind{Name: "a report", Verify: beginsWith("# " + report.TextTitle)}, (*report.Page).Markdown},
	".txt":  {output.Kind{Name: "a report", Verify: beginsWith(report.TextTitle)}, (*report.Page).Text},
}

// page writes one file that presents files of records. The ending of its name says
// whether it is HTML, Markdown or text.
func page(out string, paths []string) error {
	form, ok := pages[filepath.Ext(out)]
	if !ok {
		return usageError{fmt.Errorf("-o %s: want a name that ends in .html, .md or .txt", out)}
	}
	if err := checkOutput(out, form.kind, paths...); err != nil {
		return err
	}
	all, err := readAll(paths)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := form.write(report.NewPage(all), &b); err != nil {
		return err
	}
	return output.Write(out, b.Bytes())
}

// readAll reads files of records.
func readAll(paths []string) (*record.Collection, error) {
	all := new(record.Collection)
	for _, path := range paths {
		in, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		err = all.Read(in)
		in.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return all, nil
}
