package victim

import (
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"time"
)

// A run is one guest while it runs.
type run struct {
	Config
	victim   Case
	observer observer
	pin      pin
	stdout   io.Writer

	stop     uint32     // 1 if the victims must stop
	released bool       // the pinned instruction was put back
	calls    []counter  // of each victim
	failed   chan error // an error of a victim
}

// Run calls a victim in goroutines of the group, and observes them until a bound of c is
// reached. It prints these lines:
//
//   - one before the victims start
//   - at most one every tenth of a second with the exposure so far; but one for each
//     observation if no call has returned yet
//   - one at the end
//
// If no call has returned, Run does not wait for the victims, because a pinned one never
// returns. A pin may also be in code that few calls reach, for example the code that
// grows the stack. So if signals show that a victim is at the pin, Run observes again
// instead of waiting, and the last line says that a victim is stuck.
//
// If the runtime does not preempt a victim at the pin, the process ends at once with
// ExitNotPreemptible: see countSignal.
//
// If a victim's result was wrong, or its object was freed, the error wraps ErrCorrupt or
// ErrFreed. Any other error means that the run measured nothing.
func Run(c Config, group Group, stdout io.Writer) error {
	r, err := newRun(c, stdout)
	if err != nil {
		return err
	}
	spinBody = uint64(c.Body)
	if c.Procs > 0 {
		runtime.GOMAXPROCS(c.Procs)
	}
	if r.pin.address != 0 {
		if err := r.pin.countSignals(); err != nil {
			return err
		}
	}
	// This line comes before anything is observed: with the tracer on, the process may die
	// before the first observation, or even while the tracer starts.
	fmt.Fprintf(stdout, "%sbegin %s %s\n", LineMark, c.Victim, c.Observer)
	if err := r.observer.start(); err != nil {
		return err
	}
	r.startVictims(group)

	observed := make(chan error, 1)
	group.Go(func() error {
		err := r.observe()
		observed <- err
		return err
	})
	err = <-observed
	atomic.StoreUint32(&r.stop, 1)
	if err != nil || r.total() == 0 {
		return err
	}
	return r.end(group)
}

// newRun checks a configuration. Nothing runs yet.
func newRun(c Config, stdout io.Writer) (*run, error) {
	victim, ok := Find(c.Victim)
	if !ok {
		return nil, fmt.Errorf("unknown victim %q", c.Victim)
	}
	o, err := newObserver(c.Observer)
	if err != nil {
		return nil, err
	}
	if c.Victims < 1 {
		return nil, fmt.Errorf("%d victims: want at least one", c.Victims)
	}
	p, err := parsePin(c.Pin)
	if err != nil {
		return nil, err
	}
	return &run{
		Config: c, victim: victim, observer: o, pin: p, stdout: stdout,
		calls: make([]counter, c.Victims), failed: make(chan error, c.Victims),
	}, nil
}

// startVictims starts the victims' goroutines. It returns when all of them run.
func (r *run) startVictims(group Group) {
	entered := make(chan struct{}, r.Victims)
	for v := 0; v < r.Victims; v++ {
		done := &r.calls[v].n
		group.Go(func() error {
			var err error
			switch {
			case r.Polite:
				err = polite()
			case r.pin.address != 0:
				err = sendSignals()
			}
			entered <- struct{}{}
			if err == nil {
				err = r.victim.loop(uint64(r.Seed), done, &r.stop)
			}
			if err != nil {
				r.failed <- err
			}
			return err
		})
	}
	for v := 0; v < r.Victims; v++ {
		<-entered
	}
}

// total returns how many calls of the victims have been counted.
func (r *run) total() (n uint64) {
	for i := range r.calls {
		n += atomic.LoadUint64(&r.calls[i].n)
	}
	return n
}

// observe makes all the observations of the run.
func (r *run) observe() error {
	if r.Hold {
		return r.hold()
	}
	return r.watch(r.Observe, r.For, "end")
}

// watch observes until a bound is reached or a victim fails. The line that it prints at
// the bound begins with lastWord. A bound of 0 is none.
func (r *run) watch(observations int, limit time.Duration, lastWord string) error {
	begin := time.Now()
	var printed time.Duration
	for n := 1; ; n++ {
		if err := r.observer.observe(); err != nil {
			return err
		}
		select {
		case err := <-r.failed:
			return err
		default:
		}
		elapsed := time.Since(begin)
		last := observations > 0 && n >= observations && r.pinSeen() || limit > 0 && elapsed >= limit && r.total() > 0
		if calls := r.total(); last || calls == 0 || elapsed-printed >= 100*time.Millisecond {
			printed = elapsed
			word := "observed"
			if last {
				word = lastWord
			}
			fmt.Fprintf(r.stdout, "%s%s %d calls %d seconds %.3f\n", LineMark, word, n, calls, elapsed.Seconds())
		}
		if last {
			return nil
		}
	}
}

// pinSeen reports whether the observations so far say something about the pin, if there is
// one: a victim was preempted there, or calls return without reaching it. Observers that
// do not wait for a victim may complete any number of observations before that.
func (r *run) pinSeen() bool {
	return r.pin.address == 0 || !countsSignals || r.pin.preempted() || r.total() > 0
}

// pollTime is how often end looks whether a victim is at the pin. After 10 ms in which a
// goroutine has not yielded the runtime sends a signal (runtime/proc.go, forcePreemptNS).
const pollTime = 10 * time.Millisecond

// end waits until the victims have ended, after stop was set. If one of them is at the
// pin, it observes again.
func (r *run) end(group Group) error {
	ended := make(chan error, 1)
	go func() { ended <- group.Wait() }()
	for {
		select {
		case err := <-ended:
			r.observer.stop()
			return err
		case <-time.After(pollTime):
		}
		switch {
		case r.released || !r.pin.reached():
		case r.Hold:
			if err := r.hold(); err != nil {
				return err
			}
		default:
			return r.watch(r.Observe, r.For, "stuck")
		}
	}
}
