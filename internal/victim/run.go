package victim

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Exit statuses of a guest, beside the Go runtime's own.
const (
	ExitUsage   = 64 // a wrong argument; nothing was run
	ExitCorrupt = 65 // a victim returned a wrong result
	ExitFreed   = 66 // an object was freed while a victim held it
)

// LineMark begins every line that a guest prints of itself.
const LineMark = "splitadd guest: "

// A Group runs the goroutines of a guest; *errgroup.Group is one.
type Group interface {
	Go(func() error)
	Wait() error
}

// Goroutines is a Group of plain goroutines. The zero value is ready.
type Goroutines struct {
	wait sync.WaitGroup
	once sync.Once
	err  error
}

// Go runs f in a goroutine of its own.
func (g *Goroutines) Go(f func() error) {
	g.wait.Add(1)
	go func() {
		defer g.wait.Done()
		if err := f(); err != nil {
			g.once.Do(func() { g.err = err })
		}
	}()
}

// Wait waits for all of them and returns the first error.
func (g *Goroutines) Wait() error { g.wait.Wait(); return g.err }

// ErrCorrupt is what a victim's wrong result is reported as.
var ErrCorrupt = errors.New("corrupt result")

// Config says what a guest is to run.
type Config struct {
	Victim           string        // function name
	Observer         string        // one of Observers
	Victims          int           // goroutines that call the function
	Procs            int           // GOMAXPROCS; 0 leaves it as it is
	Observe          int           // observations after which to stop; 0 is no bound
	For              time.Duration // how long to run; 0 is no bound
	Polite           bool          // victims let every other thread go first, where the system can do so
	Seed             int           // sets this run apart from others: its calls have other arguments
	Body             int           // iterations of the body of "spin", some three instructions each
	Hold             string        // a Pin to release after Observe observations; "" is none
	ObserveAfterHold int           // observations after that
}

// Args returns the arguments that Main reads c from.
func (c Config) Args() []string {
	return []string{
		"-victim=" + c.Victim, "-observer=" + c.Observer,
		fmt.Sprint("-victims=", c.Victims), fmt.Sprint("-procs=", c.Procs),
		fmt.Sprint("-observe=", c.Observe), fmt.Sprint("-for=", c.For),
		fmt.Sprint("-polite=", c.Polite), fmt.Sprint("-body=", c.Body), fmt.Sprint("-seed=", c.Seed),
		"-hold=" + c.Hold, fmt.Sprint("-after=", c.ObserveAfterHold),
	}
}

// Main runs a guest by its arguments, in a group, and returns its exit status.
func Main(args []string, group Group, stdout io.Writer) int {
	var c Config
	flags := flag.NewFlagSet("guest", flag.ContinueOnError)
	flags.StringVar(&c.Victim, "victim", "", "function `name`")
	flags.StringVar(&c.Observer, "observer", "gc", strings.Join(Observers, ", "))
	flags.IntVar(&c.Victims, "victims", 1, "goroutines that call the function")
	flags.IntVar(&c.Procs, "procs", 0, "GOMAXPROCS")
	flags.IntVar(&c.Observe, "observe", 0, "observations after which to stop")
	flags.DurationVar(&c.For, "for", 0, "how long to run")
	flags.BoolVar(&c.Polite, "polite", false, "victims let every other thread go first")
	flags.IntVar(&c.Seed, "seed", 0, "sets this run apart from others")
	flags.IntVar(&c.Body, "body", 0, "iterations of the body of spin")
	flags.StringVar(&c.Hold, "hold", "", "instruction to put back: `address:word`, hexadecimal")
	flags.IntVar(&c.ObserveAfterHold, "after", 0, "observations after that")
	if err := flags.Parse(args); err != nil {
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
	default:
		fmt.Fprintln(os.Stderr, LineMark+err.Error())
		return ExitUsage
	}
}

// counter is a count of calls on a cache line of its own.
type counter struct {
	n uint64
	_ [15]uint64
}

// Run calls a victim in goroutines of the group and observes them until a
// bound of c is reached. It prints a line before the victims start, one at most
// every tenth of a second with the exposure so far (each observation, while no
// call has returned), and one at the end.
//
// Run returns without waiting for victims that do not return from their call,
// as a pinned one never does. One that is pinned where few calls pass, as where the
// stack grows, may do so at last: it is observed once more, and the last
// line says that it is stuck.
func Run(c Config, group Group, stdout io.Writer) error {
	victim, ok := Find(c.Victim)
	if !ok {
		return fmt.Errorf("unknown victim %q", c.Victim)
	}
	watch, err := newObserver(c.Observer)
	if err != nil {
		return err
	}
	if c.Victims < 1 {
		return fmt.Errorf("%d victims: want at least one", c.Victims)
	}
	held, err := parsePin(c.Hold)
	if err != nil {
		return err
	}
	spinBody = uint64(c.Body)
	if c.Procs > 0 {
		runtime.GOMAXPROCS(c.Procs)
	}
	if err := watch.start(); err != nil {
		return err
	}

	// Before the first victim runs: the tracer alone may be its death.
	fmt.Fprintf(stdout, "%sbegin %s %s\n", LineMark, c.Victim, c.Observer)
	var stop uint32
	entered := make(chan struct{}, c.Victims)
	failed := make(chan error, c.Victims)
	calls := make([]counter, c.Victims)
	for v := 0; v < c.Victims; v++ {
		done := &calls[v].n
		group.Go(func() error {
			var err error
			if c.Polite {
				err = polite()
			}
			entered <- struct{}{}
			if err == nil {
				err = victim.loop(uint64(c.Seed), done, &stop)
			}
			if err != nil {
				failed <- err
			}
			return err
		})
	}
	for v := 0; v < c.Victims; v++ {
		<-entered
	}

	total := func() (n uint64) {
		for i := range calls {
			n += atomic.LoadUint64(&calls[i].n)
		}
		return n
	}
	observed := make(chan error, 1)
	group.Go(func() error {
		var err error
		if held.address == 0 {
			err = c.watch(watch, total, failed, stdout, "end")
		} else {
			err = c.hold(held, watch, total, failed, stdout)
		}
		observed <- err
		return err
	})
	err = <-observed
	atomic.StoreUint32(&stop, 1)
	if err != nil || total() == 0 {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- group.Wait() }()
	late := (<-chan time.Time)(nil)
	if c.Observe > 0 {
		late = time.After(time.Second)
	}
	select {
	case err = <-ended:
		watch.stop()
		return err
	case <-late:
		return c.watch(watch, total, failed, stdout, "stuck")
	}
}

// watch observes until a bound of c is reached or a victim fails. The line that it
// prints then begins with the last word.
func (c Config) watch(watch observer, calls func() uint64, failed <-chan error, stdout io.Writer, lastWord string) error {
	begin := time.Now()
	var printed time.Duration
	for n := 1; ; n++ {
		if err := watch.observe(); err != nil {
			return err
		}
		select {
		case err := <-failed:
			return err
		default:
		}
		elapsed := time.Since(begin)
		last := c.Observe > 0 && n >= c.Observe || c.For > 0 && elapsed >= c.For
		if done := calls(); last || done == 0 || elapsed-printed >= 100*time.Millisecond {
			printed = elapsed
			word := "observed"
			if last {
				word = lastWord
			}
			fmt.Fprintf(stdout, "%s%s %d calls %d seconds %.3f\n", LineMark, word, n, done, elapsed.Seconds())
		}
		if last {
			return nil
		}
	}
}

// A burst is how many times four short calls are made between two looks at
// whether to stop. The fewer instructions there are beside the victim's own, the
// likelier is a signal to land in a window.
const burst = 1 << 12

// bursts is how many times four hot calls follow a cold one: fewer where a call
// is long, since nothing looks at whether to stop meanwhile.
func (c Case) bursts() uint64 {
	if c.longCall {
		return 0
	}
	return 1 + burst*16/(16+spinBody)
}

// loop calls the victim until stop is set, a cold call before every burst of
// others, and checks every result.
func (c Case) loop(seed uint64, done *uint64, stop *uint32) error {
	if c.drive != nil {
		return c.drive(seed, done, stop)
	}
	call, calls, bursts := c.call, uint64(0), c.bursts()
	for n := uint64(0); atomic.LoadUint32(stop) == 0; n++ {
		x := garbage + (seed+n)<<8
		want := c.want(x)
		if got := call(x, true); got != want {
			return fmt.Errorf("%w: %s(%d) returned %d, want %d", ErrCorrupt, c.Func, x, got, want)
		}
		calls++
		wrong := uint64(0)
		for i := bursts; i > 0; i-- {
			wrong |= call(x, false) ^ want
			wrong |= call(x, false) ^ want
			wrong |= call(x, false) ^ want
			wrong |= call(x, false) ^ want
			calls += 4
		}
		if wrong != 0 {
			return fmt.Errorf("%w: %s(%d) returned a result that differs from %d by %#x", ErrCorrupt, c.Func, x, want, wrong)
		}
		atomic.StoreUint64(done, calls)
	}
	return nil
}
