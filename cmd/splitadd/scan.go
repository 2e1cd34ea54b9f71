package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"splitadd/internal/gate"
	"splitadd/internal/hint"
	"splitadd/internal/lab"
	"splitadd/internal/record"
	"splitadd/internal/report"
	"splitadd/internal/survey"
)

// A scanner carries out the verb scan.
type scanner struct {
	json, sarif, vex, quiet, all bool
	color                        bool
	out                          string // the file to write to; "" is standard output
	gate                         gate.Gate
	flags                        gateFlags

	stdout, stderr io.Writer
	progress       *progress
	records        record.Writer
	sum            record.Scan
	found          []*survey.Binary // unless each is printed at once
	failures       []record.Failure // for SARIF
}

func scan(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s := scanner{stdout: stdout, stderr: stderr, records: record.Writer{To: stdout}}
	s.sum = record.Scan{Tool: toolVersion(), Foreign: map[string]int{}}
	flags := flag.NewFlagSet("scan", flag.ContinueOnError)
	flags.BoolVar(&s.json, "json", false, jsonFlag)
	flags.BoolVar(&s.sarif, "sarif", false, "print a SARIF log, as code scanning reads it")
	flags.BoolVar(&s.vex, "vex", false, "print an OpenVEX document: which kinds each binary is affected by, and which not")
	flags.BoolVar(&s.quiet, "q", false, "print affected files only, one a line")
	flags.StringVar(&s.out, "o", "", "write to `FILE`, in one step, instead of standard output")
	flags.BoolVar(&s.all, "all", false, "also list code that would have a window if the runtime preempted there, such as assembly")
	var gated gateFlags
	gated.add(flags)
	if err := parse(flags, args); err != nil {
		return err
	}
	if count(s.json, s.sarif, s.vex, s.quiet) > 1 {
		return usageError{errors.New("-json, -sarif, -vex and -q exclude each other")}
	}
	if s.vex && gated.baseline != "" {
		return usageError{errors.New("-vex states what the binaries have, so it takes no -baseline")}
	}
	if flags.NArg() == 0 {
		return usageError{errors.New("scan takes a binary, a folder, an archive or a package pattern")}
	}
	if args := flags.Args(); slices.Contains(args[slices.Index(args, survey.Stdin)+1:], survey.Stdin) && slices.Index(args, survey.Stdin) >= 0 {
		return usageError{errors.New("standard input can be scanned once only")}
	}
	var err error
	if s.gate, err = gated.gate(flags.Args()); err != nil {
		return err
	}
	s.flags, s.sum.Only = gated, s.gate.Kinds
	if s.out == "" {
		s.color = colored(stdout)
		return s.run(ctx, flags.Args())
	}
	if err := checkOutput(s.out, s.outputKind(), flags.Args()...); err != nil {
		return err
	}
	return s.toFile(ctx, flags.Args())
}

// run scans what the arguments name.
func (s *scanner) run(ctx context.Context, args []string) error {
	s.progress = newProgress(s.stderr)
	defer s.progress.end()
	for _, arg := range args {
		if err := s.argument(ctx, arg); err != nil {
			return err
		}
	}
	return s.finish()
}

// argument scans a file, a folder, an image or archive, or a package. If there is no Go
// binary for arm64 in what may have several, a warning says so.
func (s *scanner) argument(ctx context.Context, arg string) error {
	before := s.sum
	before.Foreign = maps.Clone(before.Foreign)
	if survey.IsArchive(arg) {
		return s.archive(ctx, arg, before)
	}
	switch info, err := os.Stat(arg); {
	case errors.Is(err, fs.ErrNotExist) && !filepath.IsAbs(arg):
		return s.packages(ctx, "", arg)
	case err != nil:
		return s.failed(arg, &hint.Error{Err: err, Hint: "name a binary, a folder, an archive, or a package pattern"})
	case info.IsDir():
		if err := s.folder(ctx, arg); err != nil {
			return err
		}
		s.warnNone(arg, before)
		return nil
	}
	return s.files(ctx, []string{arg}, map[string]string{arg: arg})
}

// warnNone says that no Go binary for arm64 was found in something, if so. The totals are
// those before it was scanned.
func (s *scanner) warnNone(arg string, before record.Scan) {
	if s.sum.Binaries > before.Binaries {
		return
	}
	s.progress.end()
	others := record.Scan{NotArm64Go: s.sum.NotArm64Go - before.NotArm64Go, Foreign: map[string]int{}}
	for arch, n := range s.sum.Foreign {
		if n -= before.Foreign[arch]; n > 0 {
			others.Foreign[arch] = n
		}
	}
	name := arg
	if arg == survey.Stdin {
		name = "standard input"
	}
	say(s.stderr, "warning", name+": no Go binary for arm64: "+report.NotArm64GoText(others))
}

// archive scans an image or an archive. The totals are those before.
func (s *scanner) archive(ctx context.Context, arg string, before record.Scan) error {
	s.progress.say(arg)
	others, err := survey.ScanArchive(ctx, arg, os.Stdin, s.all, func(r survey.Result) error { return s.result(r, "", false) })
	s.sum.NotArm64Go += others
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return s.failed(arg, err)
	}
	s.warnNone(arg, before)
	return nil
}

// folder scans the files below a folder. If no Go binary for arm64 is among them
// and the folder is a package of a module, the package is built and scanned
// instead. For a folder that is a package, a note says which of the two was done.
func (s *scanner) folder(ctx context.Context, root string) error {
	var failed error
	paths, err := survey.ListFiles(root, func(err error) { failed = errors.Join(failed, s.failed(root, err)) })
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	before := s.sum
	before.Foreign = maps.Clone(before.Foreign)
	if err := s.files(ctx, paths, nil); err != nil || !isPackage(root) {
		return err
	}
	s.progress.end()
	if s.sum.Binaries > before.Binaries {
		say(s.stderr, "note", root+": its files were scanned; its package was not built")
		return nil
	}
	say(s.stderr, "note", root+": without a Go binary for arm64: its package is built and scanned")
	s.sum.Foreign, s.sum.NotArm64Go = before.Foreign, before.NotArm64Go
	return s.packages(ctx, root, ".")
}

// isPackage reports whether a folder has Go source and is in a module.
func isPackage(dir string) bool {
	entries, _ := os.ReadDir(dir)
	dir, err := filepath.Abs(dir)
	if err != nil || !slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go")
	}) {
		return false
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return true
		}
		up := filepath.Dir(dir)
		if up == dir {
			return false
		}
		dir = up
	}
}

// packages builds the packages of a pattern for arm64 and scans the binaries. The
// pattern is relative to dir. The binaries are written to a temporary folder.
func (s *scanner) packages(ctx context.Context, dir, pattern string) error {
	out, err := os.MkdirTemp("", "splitadd-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(out)
	s.progress.say("go build " + pattern)
	built, err := lab.BuildPackages(ctx, out, dir, pattern)
	s.progress.end()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		name := pattern
		if dir != "" {
			name = dir
		}
		if err := s.failed(name, err); err != nil {
			return err
		}
	}
	var paths []string
	names := map[string]string{}
	for _, c := range built {
		paths = append(paths, c.File)
		names[c.File] = c.ImportPath
	}
	return s.files(ctx, paths, names)
}

// files scans files. A file that the user named has an entry in names, which says under
// which name to show it. It is an error if such a file is not a Go binary for arm64.
// Other files that are not are only counted.
func (s *scanner) files(ctx context.Context, paths []string, names map[string]string) error {
	done := 0
	return survey.ScanAll(ctx, paths, s.all, func(r survey.Result) error {
		s.progress.stepIfSlow(r.Path, done, len(paths))
		done++
		name, asked := names[r.Path]
		return s.result(r, name, asked)
	})
}
