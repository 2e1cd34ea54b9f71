package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"

	"splitadd/internal/lab"
	"splitadd/internal/lab/process"
	"splitadd/internal/trial"
	"splitadd/internal/window"
)

// The exit statuses for "git bisect run" that splitadd uses. For git, every other status
// below 128 is a bad commit, even 2, which is the status of a Go program that panics.
const (
	bisectGood = 0
	bisectBad  = 1
	bisectSkip = 125 // this commit cannot be tested
	bisectStop = 128 // the bisection ends
)

// exitUntestable is the exit status of the answering process if a commit cannot be built
// or tested.
const exitUntestable = bisectSkip

// An untestable is the error for a commit that cannot be built or tested.
type untestable struct{ error }

func (e untestable) Unwrap() error { return e.error }

// bisectStatus returns the exit status for git, from that of the process that
// gave the answer. A status that is not an answer ends the bisection.
func bisectStatus(status int) int {
	switch status {
	case 0:
		return bisectGood
	case exitAffected:
		return bisectBad
	case exitUntestable:
		return bisectSkip
	}
	return bisectStop
}

// answering is set in the environment of the process that answers.
const answering = "SPLITADD_BISECT"

// bisecting reports whether git may read the exit status. The verb's former name,
// check -bisect, counts as well: it is refused, and git must not read that as bad.
func bisecting(args []string) bool {
	if os.Getenv(answering) != "" || len(args) == 0 {
		return false
	}
	return args[0] == "bisect" || args[0] == "check" && hasFlag(args[1:], "bisect")
}

// supervise runs this command again in a child process, and returns the exit status
// for git. A Go program that panics, in any goroutine, exits with 2, and one that is
// killed has no status. Only a parent process can see both.
func supervise(args []string, stdout, stderr io.Writer) int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, interrupts...)
	defer signal.Stop(signals)
	self, err := os.Executable()
	if err != nil {
		sayError(stderr, err)
		return bisectStop
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), answering+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, stderr
	process.InGroup(cmd) // so that only this process gets Ctrl-C from the terminal, and passes it on
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		sayError(stderr, err)
		return bisectStop
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	_ = cmd.Wait()
	return bisectStatus(cmd.ProcessState.ExitCode())
}

// bisectVerb says whether the toolchain of a checkout of Go has windows of a kind, or
// of any. A failure that every commit would have is an error. A commit that cannot be
// built or measured is untestable.
func bisectVerb(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := newChecker(stdout, stderr)
	flags := flag.NewFlagSet("bisect", flag.ContinueOnError)
	root := flags.String("goroot", "", "build and check the checkout of Go in `DIR` (required)")
	kind := flags.String("kind", "", "ask about one `KIND` of window, one of "+strings.Join(window.KindNames(), ", ")+" (default: any)")
	flags.BoolVar(&c.json, "json", false, jsonFlag)
	engineFlags(flags, &c.choice)
	if err := parse(flags, args); err != nil {
		return err
	}
	switch {
	case *root == "" || flags.NArg() > 0:
		return usageError{errors.New("bisect takes -goroot DIR, and no toolchain")}
	case *kind != "" && !slices.Contains(window.KindNames(), *kind):
		return usageError{fmt.Errorf("-kind %q: want one of %s", *kind, strings.Join(window.KindNames(), ", "))}
	}
	if err := engineUsage(c.choice); err != nil {
		return err
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	defer c.end()
	if c.engine == nil {
		return errors.New("a bisection needs proof, and nothing here runs arm64 programs")
	}
	v, err := c.tree(ctx, *root)
	switch {
	case err != nil:
		return err
	case len(v.Doubts) > 0:
		return untestable{fmt.Errorf("no verdict: %s", strings.Join(v.Doubts, "; "))}
	case *kind == "" && len(v.Affected) > 0, slices.Contains(v.Affected, *kind):
		return errAffected
	}
	return nil
}

// tree brings the toolchain of a tree up to date, and checks it with pins.
func (c *checker) tree(ctx context.Context, root string) (v trial.Verdict, err error) {
	c.progress.say("building the toolchain of " + root)
	defer c.progress.end()
	if err = lab.BuildTree(ctx, root); err == nil {
		var t *lab.Toolchain
		if t, err = lab.Resolve(ctx, root); err != nil {
			return v, stopped(ctx, untestable{err})
		}
		c.limit = 0 // pins decide
		v, err = c.toolchain(ctx, t)
	}
	for _, own := range []error{lab.ErrUnbuildable, trial.ErrUnreadable, trial.ErrHarness} {
		if errors.Is(err, own) {
			err = untestable{err}
		}
	}
	return v, stopped(ctx, err)
}

// stopped returns the error of the context if the context has ended, and err otherwise.
func stopped(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
