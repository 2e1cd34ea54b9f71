package victim

import (
	"fmt"
	"io"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"time"
)

// Observers names every observer, the one that does nothing last. There is one
// more, "all", which is all of them in turn.
var Observers = []string{"gc", "trace", "goroutines", "stacks", "cpu", "none"}

// An observer makes the runtime look at the stacks of running goroutines.
type observer struct {
	start   func() error
	observe func() error // one observation
	stop    func()
}

func nothing() error { return nil }

func collect() error { runtime.GC(); return nil }

// Buffers of observers, of which there is one in a process.
var (
	records = make([]runtime.StackRecord, 256)
	text    = make([]byte, 256<<10)
)

func profile() error { runtime.GoroutineProfile(records); return nil }

func stacks() error { runtime.Stack(text, true); return nil }

func sample() error {
	if err := pprof.StartCPUProfile(io.Discard); err != nil {
		return err
	}
	time.Sleep(20 * time.Millisecond)
	pprof.StopCPUProfile()
	return nil
}

// newObserver returns the observer of that name:
//
//   - gc collects garbage: every stack is scanned, and must unwind completely
//   - trace does so under the execution tracer, which unwinds by frame pointer
//   - goroutines takes a goroutine profile
//   - stacks formats every goroutine's stack, as a crash or a debug page does
//   - cpu takes CPU profiles of 20 ms each
//   - none waits 10 ms, the time after which the runtime preempts of itself
//   - all is trace, goroutines, stacks and cpu, each once in an observation
func newObserver(name string) (observer, error) {
	o := observer{start: nothing, stop: func() {}}
	switch name {
	case "gc":
		o.observe = collect
	case "trace":
		o.start = func() error { return trace.Start(io.Discard) }
		o.observe = collect
		o.stop = trace.Stop
	case "goroutines":
		o.observe = profile
	case "stacks":
		o.observe = stacks
	case "cpu":
		o.observe = sample
	case "none":
		o.observe = func() error { time.Sleep(10 * time.Millisecond); return nil }
	case "all":
		o, _ = newObserver("trace")
		o.observe = func() error {
			for _, observe := range []func() error{collect, profile, stacks, sample} {
				if err := observe(); err != nil {
					return err
				}
			}
			return nil
		}
	default:
		return o, fmt.Errorf("unknown observer %q", name)
	}
	return o, nil
}
