// Splitadd decides whether a Go toolchain or an arm64 binary has windows: code that
// async preemption breaks. It proves each window by a crash or a wrong result.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"splitadd/internal/hint"
	"splitadd/internal/lab"
	"splitadd/internal/safe"
)

// Exit statuses.
const (
	exitFailed   = 1
	exitUsage    = 2
	exitAffected = 3
	exitSuspect  = 4 // triage: a crash looks like this defect, but the log does not prove it
)

// errAffected is returned by a verb that found a window or a crash.
var errAffected = errors.New("affected")

// errAlreadyReported is returned by a verb that has already written its errors.
var errAlreadyReported = errors.New("failed")

// errSuspect is returned by triage for a crash that looks like a split, if nothing
// shows that it is one.
var errSuspect = errors.New("looks affected")

// A usageError is a mistake on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// interrupts are the signals that end a run early.
var interrupts = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}

// run runs a verb and returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	if bisecting(args) {
		return supervise(args, stdout, stderr)
	}
	ctx, stop := signal.NotifyContext(context.Background(), interrupts...)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once

	err := dispatch(ctx, args, stdout, stderr)
	var mistake usageError
	hint, status := "", exitFailed
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errAffected):
		return exitAffected
	case errors.Is(err, errSuspect):
		return exitSuspect
	case errors.Is(err, errAlreadyReported):
		return exitFailed
	case errors.As(err, &mistake):
		hint, status = usageHint(args), exitUsage
	case ctx.Err() != nil:
		say(stderr, "error", "interrupted")
		return exitFailed
	case errors.As(err, new(untestable)):
		status = exitUntestable
	}
	sayError(stderr, err)
	if hint != "" {
		say(stderr, "hint", hint)
	}
	return status
}

// sayError writes an error and its hint.
func sayError(stderr io.Writer, err error) {
	say(stderr, "error", safe.Error(err)...)
	var hinted *hint.Error
	if errors.As(err, &hinted) {
		say(stderr, "hint", hinted.Hint)
	}
}

// say writes lines for the user, of a kind: error, warning, hint or note.
func say(stderr io.Writer, kind string, lines ...string) {
	for _, line := range lines {
		fmt.Fprintf(stderr, "splitadd: %s: %s\n", kind, safe.Text(line))
	}
}

// usageHint says where the correct usage is described, for a wrong command line.
func usageHint(args []string) string {
	if len(args) > 0 && findVerb(args[0]) != nil {
		return fmt.Sprintf("splitadd help %s shows its flags", args[0])
	}
	return "splitadd help lists the verbs"
}

func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return usageError{errors.New("no verb")}
	}
	name, args := args[0], args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		if len(args) == 0 {
			return writeOverview(stdout)
		}
		if len(args) > 1 {
			return usageError{errors.New("help takes one verb at most")}
		}
		name, args = args[0], []string{"-h"}
	case "-version", "--version":
		name = "version"
	}
	v := findVerb(name)
	if v == nil {
		return usageError{fmt.Errorf("unknown verb %q%s", name, didYouMean(name, "", verbNames()))}
	}
	err := v.run(ctx, args, stdout, stderr)
	var wanted helpWanted
	if errors.As(err, &wanted) {
		return v.writeHelp(stdout, wanted.flags)
	}
	return err
}

// engineFlags adds the flags of the verbs that run guests.
func engineFlags(flags *flag.FlagSet, c *lab.Choice) {
	flags.StringVar(&c.Name, "engine", "auto", "run arm64 programs on the engine `NAME`, one of "+strings.Join(lab.Engines, ", ")+"; auto is native on arm64, user elsewhere")
	flags.StringVar(&c.Emulator, "emulator", "", "run arm64 programs with the QEMU at `FILE` (default: the one in PATH)")
	flags.StringVar(&c.Kernel, "kernel", "", "for -engine vm: boot the Linux package that is unpacked in `DIR` (default: Debian's, fetched once)")
}

// engineUsage returns what is wrong with the values of the flags of engineFlags.
func engineUsage(c lab.Choice) error {
	switch {
	case !slices.Contains(lab.Engines, c.Name):
		return usageError{fmt.Errorf("-engine %s: want one of %s", c.Name, strings.Join(lab.Engines, ", "))}
	case c.Kernel != "" && c.Name != "vm":
		return usageError{errors.New("-kernel is for -engine vm")}
	}
	return nil
}
