package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"splitadd/internal/hint"
	"splitadd/internal/lab"
	"splitadd/internal/trial"
)

// A checker carries out the verb check.
type checker struct {
	json     bool
	limit    time.Duration
	runs     int // stress runs of each kind, in addition to the verdict's own
	shard    shard
	static   bool
	choice   lab.Choice
	engine   *lab.Engine // nil if nothing can be run
	stdout   io.Writer
	stderr   io.Writer
	records  io.Writer // beside stdout; or nil
	tables   bool      // tables are wanted
	progress *progress
}

func newChecker(stdout, stderr io.Writer) *checker {
	return &checker{stdout: stdout, stderr: stderr, tables: true, shard: shard{decides: true}}
}

func check(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := newChecker(stdout, stderr)
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	flags.BoolVar(&c.json, "json", false, jsonFlag)
	flags.DurationVar(&c.limit, "limit", 40*time.Second, "run each unmodified binary for at most `TIME`")
	flags.IntVar(&c.runs, "runs", 0, "make `N` more stress runs for each kind of window, and print how long each lasted until the crash")
	flags.Func("shard", "do only part `I/N` of the check, such as 3/8, and of the runs of -runs; merge pools the records of all parts", c.shard.set)
	flags.BoolVar(&c.static, "static", false, "run nothing: the verdict is from the code alone")
	engineFlags(flags, &c.choice)
	if err := moved(args); err != nil {
		return err
	}
	if err := parse(flags, args); err != nil {
		return err
	}
	if err := c.usage(); err != nil {
		return err
	}
	names := flags.Args()
	if len(names) == 0 {
		names = []string{"local"}
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	defer c.end()
	return c.toolchains(ctx, names)
}

// moved refuses the former flags of check whose modes are verbs now.
func moved(args []string) error {
	for _, m := range []struct{ flag, verb string }{
		{"bisect", "splitadd bisect -goroot DIR [-kind KIND]"},
		{"from", "splitadd sweep -from RELEASE [-to RELEASE] [-records FILE]"},
	} {
		if hasFlag(args, m.flag) {
			return usageError{&hint.Error{Err: fmt.Errorf("check has no -%s", m.flag), Hint: "that is a verb now: " + m.verb}}
		}
	}
	return nil
}

// hasFlag reports whether a flag is among arguments.
func hasFlag(args []string, name string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		given, dashed := strings.CutPrefix(strings.Replace(arg, "--", "-", 1), "-")
		given, _, _ = strings.Cut(given, "=")
		return dashed && given == name
	})
}

// usage returns what is wrong with the values of the flags.
func (c *checker) usage() error {
	switch {
	case c.limit <= 0:
		return usageError{fmt.Errorf("-limit %v: want more than 0", c.limit)}
	case c.runs < 0 || c.runs > 0 && c.static:
		return usageError{fmt.Errorf("-runs %d: want a number of stress runs, and not with -static", c.runs)}
	case c.shard.count > 0 && c.runs == 0:
		return usageError{errors.New("-shard divides stress runs, so it needs -runs N")}
	}
	return engineUsage(c.choice)
}

// start finds an engine, unless -static is set. If there is none and the user has
// not named one, the check runs nothing and goes on.
func (c *checker) start(ctx context.Context) error {
	c.progress = newProgress(c.stderr)
	if c.static {
		return nil
	}
	if c.choice.Name == "vm" {
		c.progress.say("booting a virtual machine")
	}
	engine, err := lab.FindEngine(ctx, c.choice)
	c.engine = engine
	var hinted *hint.Error
	if errors.Is(err, lab.ErrNoEngine) && errors.As(err, &hinted) && c.choice.Name == "auto" {
		say(c.stderr, "warning", err.Error()+": nothing is run, the verdict is from the code alone")
		say(c.stderr, "hint", hinted.Hint)
		return nil
	}
	if err != nil {
		c.progress.end()
	}
	return err
}

// end ends what start began.
func (c *checker) end() {
	c.progress.end()
	if c.engine != nil {
		c.engine.Close()
	}
}

// toolchains checks toolchains one after the other. It finds all of them before it
// checks the first.
func (c *checker) toolchains(ctx context.Context, names []string) error {
	var toolchains []*lab.Toolchain
	for _, name := range names {
		c.progress.say("toolchain " + name)
		t, err := lab.Resolve(ctx, name)
		if err != nil {
			return err
		}
		toolchains = append(toolchains, t)
	}
	var all []trial.Verdict
	for i, t := range toolchains {
		c.shard.decides = c.shard.has(i)
		v, err := c.toolchain(ctx, t)
		if err != nil {
			return err
		}
		all = append(all, v)
	}
	return answer(all)
}

// answer returns the error that gives verdicts their exit status.
func answer(all []trial.Verdict) error {
	affected := false
	for _, v := range all {
		if len(v.Doubts) > 0 {
			return &hint.Error{
				Err:  errors.New("no verdict: the windows found and the crashes seen do not agree"),
				Hint: "run it again on an idle machine; if it says the same, it is a bug in splitadd",
			}
		}
		affected = affected || len(v.Affected) > 0
	}
	if affected {
		return errAffected
	}
	return nil
}
