package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"splitadd/internal/lab"
	"splitadd/internal/trial"
)

// What git bisect run takes an exit status for.
const (
	bisectBad  = 1
	bisectSkip = 125
	bisectStop = 128 // and above: the bisection ends
)

// An exitError ends the process with a status of its own.
type exitError struct {
	error
	status int
}

func (e exitError) Unwrap() error { return e.error }

// bisect brings a tree's toolchain up to date, and answers whether it has windows
// of a kind, or of any: nil is no, and exitError says all else. What could not be
// built or measured is skipped; what would be so of every commit, and an
// interrupt, stop the bisection.
func (c *checker) bisect(ctx context.Context, root, kind string, stderr io.Writer) error {
	if c.engine == nil {
		return exitError{errors.New("nothing here runs arm64 programs: a bisection needs proof"), bisectStop}
	}
	c.progress.say("building the toolchain of " + root)
	err := lab.BuildTree(ctx, root)
	var v trial.Verdict
	if err == nil {
		var t *lab.Toolchain
		if t, err = lab.Resolve(ctx, root); err == nil {
			c.limit = 0 // pins decide
			v, err = c.toolchain(ctx, t)
		}
	}
	c.progress.end()
	var hinted *lab.Error
	switch {
	case ctx.Err() != nil:
		return exitError{ctx.Err(), bisectStop}
	case err != nil && errors.As(err, &hinted) && !errors.Is(err, lab.ErrUnbuildable):
		fmt.Fprintf(stderr, "splitadd: hint: %s\n", hinted.Hint)
		return exitError{err, bisectSkip}
	case err != nil:
		return exitError{err, bisectSkip}
	case len(v.Doubts) > 0:
		return exitError{fmt.Errorf("no verdict: %v", v.Doubts), bisectSkip}
	case kind == "" && len(v.Affected) > 0, slices.Contains(v.Affected, kind):
		return exitError{errAffected, bisectBad}
	}
	return nil
}
