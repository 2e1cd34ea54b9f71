package victim

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Exit statuses of a guest. A guest that the Go runtime ends has one of the runtime's.
const (
	ExitUsage          = 64 // an argument is wrong, or the run could not begin or go on
	ExitCorrupt        = 65 // a victim returned a wrong result
	ExitFreed          = 66 // an object was freed while a victim held it
	ExitNotPreemptible = 67 // the runtime does not preempt the victim at the pin
	ExitMissed         = 68 // the victim was to go on while garbage was being marked, and did not
)

// LineMark begins every line that the guest's own code prints.
const LineMark = "splitadd guest: "

// ErrCorrupt is the error of a victim that returned a wrong result.
var ErrCorrupt = errors.New("corrupt result")

// ErrMissed is the error of a run that says nothing about its victim and may be made
// again: the victim did not go on in time.
var ErrMissed = errors.New("the victim did not go on while garbage was being marked")

// Config says what a guest runs.
type Config struct {
	Victim           string        // function name
	Observer         string        // one of Observers, or "all"
	Victims          int           // goroutines that call the function; at least 1
	Procs            int           // GOMAXPROCS; 0 leaves it unchanged
	Observe          int           // stop after this many observations; 0 means no bound
	For              time.Duration // stop after this time, and at least one call; 0 means no bound
	Polite           bool          // victims let every other thread run first, on Linux
	Seed             int           // runs with different seeds call the function with different arguments
	Body             int           // iterations of the body of "spin", about three instructions each
	Pin              string        // the Pin in the guest's file; "" means none
	Hold             bool          // release the pin after Observe observations
	ObserveAfterHold int           // observations after the release
	MarkingWait      time.Duration // how long a held victim may take to go on while garbage is being marked; 0 means as the machine's speed allows
}

// Args returns the arguments from which Main reads c.
func (c Config) Args() []string {
	return []string{
		"-victim=" + c.Victim, "-observer=" + c.Observer,
		fmt.Sprint("-victims=", c.Victims), fmt.Sprint("-procs=", c.Procs),
		fmt.Sprint("-observe=", c.Observe), fmt.Sprint("-for=", c.For),
		fmt.Sprint("-polite=", c.Polite), fmt.Sprint("-body=", c.Body), fmt.Sprint("-seed=", c.Seed),
		"-pin=" + c.Pin, fmt.Sprint("-hold=", c.Hold), fmt.Sprint("-after=", c.ObserveAfterHold), fmt.Sprint("-marking=", c.MarkingWait),
	}
}

func parseArgs(args []string) (c Config, err error) {
	flags := flag.NewFlagSet("guest", flag.ContinueOnError)
	flags.StringVar(&c.Victim, "victim", "", "function `name`")
	flags.StringVar(&c.Observer, "observer", "gc", strings.Join(Observers, ", ")+", all")
	flags.IntVar(&c.Victims, "victims", 1, "goroutines that call the function")
	flags.IntVar(&c.Procs, "procs", 0, "GOMAXPROCS")
	flags.IntVar(&c.Observe, "observe", 0, "stop after this many observations")
	flags.DurationVar(&c.For, "for", 0, "stop after this time")
	flags.BoolVar(&c.Polite, "polite", false, "victims let every other thread run first")
	flags.IntVar(&c.Seed, "seed", 0, "another seed means other arguments of the function")
	flags.IntVar(&c.Body, "body", 0, "iterations of the body of spin")
	flags.StringVar(&c.Pin, "pin", "", "instruction that was replaced: `address:word`, hexadecimal")
	flags.BoolVar(&c.Hold, "hold", false, "put the instruction back")
	flags.IntVar(&c.ObserveAfterHold, "after", 0, "observations after the instruction was put back")
	flags.DurationVar(&c.MarkingWait, "marking", 0, "how long a held victim may take to go on; 0 means as the machine's speed allows")
	return c, flags.Parse(args)
}

// Main runs a guest by its arguments, in a group, and returns its exit status.
func Main(args []string, group Group, stdout io.Writer) int {
	c, err := parseArgs(args)
	if err != nil {
		return ExitUsage
	}
	switch err := Run(c, group, stdout); {
	case err == nil:
		return 0
	case errors.Is(err, ErrCorrupt):
		fmt.Fprintln(stdout, LineMark+err.Error())
		return ExitCorrupt
	case errors.Is(err, ErrFreed):
		fmt.Fprintln(stdout, LineMark+err.Error())
		return ExitFreed
	case errors.Is(err, ErrMissed):
		fmt.Fprintln(stdout, LineMark+err.Error())
		return ExitMissed
	default:
		fmt.Fprintln(os.Stderr, LineMark+err.Error())
		return ExitUsage
	}
}
