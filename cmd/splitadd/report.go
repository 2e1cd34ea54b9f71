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

	"splitadd/internal/record"
	"splitadd/internal/report"
)

// reportVerb writes a bug report, or one file of records.
func reportVerb(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var r reproducer
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	r.flags(flags)
	bug := flags.String("bug", "", "")
	out := flags.String("o", "", "")
	if done, err := parse(flags, args, stdout); done || err != nil {
		return err
	}
	switch {
	case *bug != "" && (*out != "" || flags.NArg() > 0):
		return usageError{errors.New("report -bug takes one toolchain, and prints")}
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

// page writes one file of files of records: HTML, Markdown or text, by its name.
func page(out string, paths []string) error {
	all, err := readAll(paths)
	if err != nil {
		return err
	}
	p := report.Of(all)
	var b bytes.Buffer
	switch filepath.Ext(out) {
	case ".html":
		err = p.HTML(&b)
	case ".md":
		err = p.Markdown(&b)
	case ".txt":
		err = p.Text(&b)
	default:
		return usageError{fmt.Errorf("-o %s: want a name that ends in .html, .md or .txt", out)}
	}
	if err != nil {
		return err
	}
	return replace(out, b.Bytes())
}

// replace writes a file whole, or leaves it as it is.
func replace(path string, data []byte) error {
	half, err := os.CreateTemp(filepath.Dir(path), ".half-*")
	if err != nil {
		return err
	}
	defer os.Remove(half.Name())
	_, err = half.Write(data)
	err = errors.Join(err, half.Chmod(0o644), half.Close())
	if err != nil {
		return err
	}
	return os.Rename(half.Name(), path)
}

// readAll reads files of records.
func readAll(paths []string) (*record.All, error) {
	all := new(record.All)
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
