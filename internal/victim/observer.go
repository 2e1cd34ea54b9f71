package victim

import (
	"fmt"
	"io"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"time"
)

// Observers has the names of the observers. The last, "none", does nothing. The observer
// "all" is a combination of others, and is not listed. Nor is "marking", which is for
// victims that are held.
var Observers = []string{"gc", "trace", "goroutines", "stacks", "cpu", "none"}

// An observer makes the runtime look at the stacks of running goroutines.
type observer struct {
	start   func() error
	observe func() error // one observation
	stop    func()
}

func nothing() error { return nil }

func collect() error { runtime.GC(); return nil }

// Buffers of the observer. A process has only one.
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

// newObserver returns the observer with a name:
//
//   - gc collects garbage, which scans every stack: all of them must unwind completely
//   - trace collects garbage under the execution tracer, which follows frame pointers
//   - goroutines takes a goroutine profile
//   - stacks formats every goroutine's stack, as a crash or a debug page does
//   - cpu takes a CPU profile of 20 ms
//   - none waits 10 ms, after which the runtime itself preempts a running goroutine
//   - marking does the same, and a held victim goes on while garbage is being marked: see
//     releaseWhileMarking
//   - all runs under the execution tracer; an observation does what gc, goroutines,
//     stacks and cpu do, one after the other
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
	case "none", "marking":
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
