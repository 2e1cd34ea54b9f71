// Splitadd decides whether a Go toolchain or an arm64 binary has a window in
// which the garbage collector kills the process, and proves it.
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

	"splitadd/internal/lab"
	"splitadd/internal/safe"
)

const usage = `Usage:
    splitadd check [-json] [-static] [-limit TIME] [-runs N [-shard I/N]]
                   [-engine auto|native|user|vm] [-emulator FILE] [-kernel DIR]
                   [TOOLCHAIN ...]
    splitadd sweep -from RELEASE [-to RELEASE] [-records FILE] [-json] [-engine NAME]
    splitadd bisect -goroot DIR [-kind KIND] [-json] [-engine NAME]
    splitadd scan [-json | -sarif | -q] [-all] BINARY|DIR|PACKAGE ...
    splitadd triage [-json | -markdown] [-binary FILE] [LOG|CORE ...]
    splitadd repair BINARY -o FILE [-diff] | -dry-run [-diff]
    splitadd repro [-leaf|-nonleaf|-fp|-pointer] [-frame N] [-check TOOLCHAIN]
    splitadd report -bug TOOLCHAIN [-leaf|-nonleaf|-fp] [-frame N]
    splitadd merge [-o FILE] RECORDS ...
    splitadd report -o FILE.html|.md|.txt RECORDS ...
    splitadd diagnose [-json] [-runs N] [-limit TIME] [-race FILE] [-engine NAME]
                      -- COMMAND

Check builds functions of known frame size for arm64 with each Go toolchain,
finds the windows in them, pins each, races the unmodified binary, and prints a
table and a verdict. A TOOLCHAIN is a release (go1.27.4), a GOROOT, or "local",
the go command in PATH, which is the default. The engine that runs them is the
machine itself where it is arm64, else user-mode QEMU; vm boots a Linux for arm64
in QEMU: Debian's, which is fetched once, or an unpacked one, -kernel. -runs
races each kind N times more and prints how long the victims lived.

With -shard 3/8 a check does the third of eight parts of that, for as many machines;
merge pools their records, and refuses what is there twice.

Sweep checks the newest patch of every minor release, by pins alone, and searches the
patch releases in which a kind of window went away. FILE keeps the records; what is
in it already is not measured again.

Bisect answers as "git bisect run" wants it: it builds what is needed of the toolchain
in a checkout of Go, and exits with 0 if there is no window (of the kind "leaf SP",
"leaf FP", "non-leaf SP" or "stale FP", if one is named), 1 if there is, 125 if this
commit cannot be built or tested, and 128, which ends the bisection, if splitadd
itself failed.

Scan finds the windows in Go binaries for arm64 (ELF, Mach-O, PE), from the files
alone. Of a folder, all files are scanned. Arguments that are not paths are package
patterns, built for arm64 with the go command in PATH; so is a folder that is a
package of a module and holds no Go binary for arm64. -q prints affected files
only, -all also lists the windows in which the runtime does not preempt.

Triage says of crash logs and core files whether it was this defect: split SP, split
FP, not this, or undecided, with the evidence and what would settle it. Logs may
have prefixes, be wrapped in JSON, or come latest line first. FILE is the binary
that ran: without it, no crash is called a split. Its exit status is 3 if a crash is
a split, 4 if none is and one looks like it ("undecided: looks like split SP": name
the binary), and 0 if none has a mark of it, be it "not this" or undecided. The first
words of a line, and "answer" and "suspect" with -json, stay what they are; what
follows them may change.

Repair writes a copy of a Go binary for arm64 in which every window is closed, at the
same length: no address moves. What cannot be proved safe is left, and listed.
-diff prints the words that are changed, -dry-run writes nothing.

Repro prints a reproducer for a bug report: one main.go that dies of itself within
seconds. -check builds and races it, and appends the crash as a comment.

Report -bug prints a whole bug report in the form of the Go issue tracker's
template. Report -o makes one file of the records that other verbs wrote.

Diagnose runs a flaky program N times as it is, N times without async preemption,
and, where a build of it with -race is given, under the race detector; it scans
the binary, and says which kind of defect kills it, or that it cannot tell.

Exit status: 0 clean, 1 splitadd failed, 2 usage, 3 affected, 4 looks affected (triage).
Bisect has its own.

Example:
    $ splitadd check go1.23.4 go1.27.4
    $ splitadd scan /usr/local/bin
    $ splitadd triage -binary /usr/local/bin/daemon crash.log
`

// Exit statuses.
const (
	exitFailed   = 1
	exitUsage    = 2
	exitAffected = 3
	exitSuspect  = 4 // of triage: a crash looks like this defect, and the log does not show it
)

// errAffected is returned by a verb that found a window or a crash.
var errAffected = errors.New("affected")

// errSaid is returned by a verb that has written its errors.
var errSaid = errors.New("failed")

// errSuspect is returned by triage for a crash that looks like a split, while
// nothing shows that it is one.
var errSuspect = errors.New("looks affected")

// A usageError is a mistake on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// A verb does one thing for a person. Results go to stdout, progress and
// warnings to stderr.
type verb func(ctx context.Context, args []string, stdout, stderr io.Writer) error

var verbs = map[string]verb{
	"check":    check,
	"sweep":    sweepVerb,
	"bisect":   bisectVerb,
	"scan":     scan,
	"diagnose": diagnoseVerb,
	"triage":   triageVerb,
	"repair":   repairVerb,
	"repro":    reproVerb,
	"report":   reportVerb,
	"merge":    merge,
}

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
	case errors.Is(err, errSaid):
		return exitFailed
	case errors.As(err, &mistake):
		hint, status = "splitadd help shows the usage", exitUsage
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
	var hinted *lab.Error
	if errors.As(err, &hinted) {
		say(stderr, "hint", hinted.Hint)
	}
}

// say writes lines of a kind to a person: an error, a warning, a hint or a note.
func say(stderr io.Writer, kind string, lines ...string) {
	for _, line := range lines {
		fmt.Fprintf(stderr, "splitadd: %s: %s\n", kind, safe.Text(line))
	}
}

func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return usageError{errors.New("no verb")}
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		_, err := io.WriteString(stdout, usage)
		return err
	}
	f, ok := verbs[args[0]]
	if !ok {
		return usageError{fmt.Errorf("unknown verb %q", args[0])}
	}
	return f(ctx, args[1:], stdout, stderr)
}

// parse parses a verb's flags. It is done where they ask for help.
func parse(flags *flag.FlagSet, args []string, stdout io.Writer) (done bool, err error) {
	flags.SetOutput(io.Discard)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		_, err := io.WriteString(stdout, usage)
		return true, err
	case err != nil:
		return false, usageError{err}
	}
	return false, nil
}

// engineFlags adds the flags of the verbs that run guests.
func engineFlags(flags *flag.FlagSet, c *lab.Choice) {
	flags.StringVar(&c.Name, "engine", "auto", "")
	flags.StringVar(&c.Emulator, "emulator", "", "")
	flags.StringVar(&c.Kernel, "kernel", "", "")
}

// engineUsage returns what is wrong with the values of those flags.
func engineUsage(c lab.Choice) error {
	switch {
	case !slices.Contains(lab.Engines, c.Name):
		return usageError{fmt.Errorf("-engine %s: want one of %s", c.Name, strings.Join(lab.Engines, ", "))}
	case c.Kernel != "" && c.Name != "vm":
		return usageError{errors.New("-kernel is for -engine vm")}
	}
	return nil
}
