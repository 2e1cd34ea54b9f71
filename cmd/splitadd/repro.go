package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"splitadd/internal/lab"
	"splitadd/internal/report"
	"splitadd/internal/repro"
)

// A reproducer holds the flags that describe one, for repro and report -bug.
type reproducer struct {
	leaf, nonleaf, fp bool
	pointer           bool
	frame             int
	runs              int
	limit             time.Duration
	choice            lab.Choice
}

func (r *reproducer) flags(flags *flag.FlagSet) {
	flags.BoolVar(&r.leaf, "leaf", false, "a window of a function that makes no calls (this is the default)")
	flags.BoolVar(&r.nonleaf, "nonleaf", false, "a window of a function that makes calls")
	flags.BoolVar(&r.fp, "fp", false, "a window of the frame pointer (without -fp: of the stack pointer)")
	flags.IntVar(&r.frame, "frame", 0, "a frame of `N` bytes (default: "+frames()+")")
	flags.IntVar(&r.runs, "runs", 10, "run the reproducer `N` times, to prove it")
	flags.DurationVar(&r.limit, "limit", time.Minute, "end a run after `TIME`")
	engineFlags(flags, &r.choice)
}

// frames lists the frame size that a reproducer of each kind has.
func frames() string {
	var each []string
	for _, kind := range slices.Sorted(maps.Keys(repro.Kinds)) {
		each = append(each, fmt.Sprintf("%s %d", kind, repro.Kinds[kind]))
	}
	return strings.Join(each, ", ")
}

// source returns the reproducer and its kind.
func (r *reproducer) source() (kind string, source []byte, err error) {
	if err := engineUsage(r.choice); err != nil {
		return "", nil, err
	}
	kind = "leaf SP"
	switch {
	case r.leaf && r.nonleaf:
		return "", nil, usageError{errors.New("-leaf and -nonleaf: want one of them")}
	case r.nonleaf && r.fp:
		return "", nil, usageError{errors.New("-nonleaf -fp: no release has a window of that kind")}
	case r.runs < 1 || r.limit <= 0:
		return "", nil, usageError{errors.New("-runs and -limit: want more than 0")}
	case r.nonleaf:
		kind = "non-leaf SP"
	case r.fp:
		kind = "leaf FP"
	}
	if r.frame == 0 {
		r.frame = repro.Kinds[kind]
	}
	if source, err = repro.Source(kind, r.frame); err != nil {
		return "", nil, usageError{err}
	}
	return kind, source, nil
}

// prove builds a reproducer with a toolchain and shows that it crashes.
func (r *reproducer) prove(ctx context.Context, name, kind string, source []byte, stderr io.Writer) (repro.Proof, error) {
	p := newProgress(stderr)
	defer p.end()
	p.say("running the reproducer under stress with " + name)
	engine, err := lab.FindEngine(ctx, r.choice)
	if err != nil {
		return repro.Proof{}, err
	}
	defer engine.Close()
	t, err := lab.Resolve(ctx, name)
	if err != nil {
		return repro.Proof{}, err
	}
	return repro.Prove(ctx, t, engine, kind, source, r.runs, r.limit)
}

// reproVerb prints a reproducer, and with -check its crash.
func reproVerb(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var r reproducer
	flags := flag.NewFlagSet("repro", flag.ContinueOnError)
	r.flags(flags)
	flags.BoolVar(&r.pointer, "pointer", false, "a program that loses a pointer: the collector frees an object that is in use")
	suite := flags.String("suite", "", "write the whole test suite, as a module of its own, into the folder `DIR`")
	check := flags.String("check", "", "build the reproducer with `TOOLCHAIN`, run it, and append the crash as a comment")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return usageError{fmt.Errorf("repro takes no argument: %q", flags.Arg(0))}
	}
	if *suite != "" {
		return writeSuite(flags, *suite, stdout)
	}
	if r.pointer {
		return r.lostPointer(ctx, *check, stdout, stderr)
	}
	kind, source, err := r.source()
	if err != nil {
		return err
	}
	var proof repro.Proof
	if *check != "" {
		if proof, err = r.prove(ctx, *check, kind, source, stderr); err != nil {
			return err
		}
	}
	if _, err := stdout.Write(source); err != nil || *check == "" {
		return err
	}
	if err := report.Proof(stdout, proof); err != nil {
		return err
	}
	if proof.Lives.Deaths() > 0 {
		return errAffected
	}
	return nil
}

// lostPointer prints the reproducer of a lost pointer, and how its runs ended.
func (r *reproducer) lostPointer(ctx context.Context, name string, stdout, stderr io.Writer) error {
	if r.leaf || r.nonleaf || r.fp || r.frame != 0 {
		return usageError{errors.New("-pointer: want none of -leaf, -nonleaf, -fp and -frame with it")}
	}
	if _, _, err := r.source(); err != nil { // its engine, -runs and -limit
		return err
	}
	if name == "" {
		_, err := stdout.Write(repro.Pointer)
		return err
	}
	engine, err := lab.FindEngine(ctx, r.choice)
	if err != nil {
		return err
	}
	defer engine.Close()
	t, err := lab.Resolve(ctx, name)
	if err != nil {
		return err
	}
	p := newProgress(stderr)
	p.say("running the reproducer with " + name)
	proof, err := repro.ProvePointer(ctx, t, engine, r.runs, r.limit)
	p.end()
	if err != nil {
		return err
	}
	lost := fmt.Sprintf("%d of %d runs lost the object, median %s.", proof.Lives.Deaths(), len(proof.Lives), report.Median(proof.Lives))
	if _, err := fmt.Fprintf(stdout, "%s\n// %s; %s\n// %s\n// %s", repro.Pointer, proof.Go, proof.Engine, lost, proof.Log); err != nil {
		return err
	}
	if proof.Lives.Deaths() > 0 {
		return errAffected
	}
	return nil
}

// writeSuite writes the test suite, and says how to run it.
func writeSuite(flags *flag.FlagSet, dir string, stdout io.Writer) error {
	if flags.NFlag() > 1 {
		return usageError{errors.New("-suite: want no other flag with it")}
	}
	files, err := repro.WriteSuite(dir)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s: %d files; run it there: go test ./... -run SplitADD\n", dir, files)
	return err
}
