package victim

import (
	"fmt"
	"io"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"time"
)

// Observers names every observer, the one that does nothing last.
var Observers = []string{"gc", "trace", "goroutines", "stacks", "cpu", "none"}

// An observer makes the runtime look at the stacks of running goroutines.
type observer struct {
	start   func() error
	observe func() error // one observation
	stop    func()
}

func nothing() error { return nil }

func collect() error { runtime.GC(); return nil }

// newObserver returns the observer of that name:
//
//   - gc collects garbage: every stack is scanned, and must unwind completely
//   - trace does so under the execution tracer, which unwinds by frame pointer
//   - goroutines takes a goroutine profile
//   - stacks formats every goroutine's stack, as a crash or a debug page does
//   - cpu takes CPU profiles of 20 ms each
//   - none waits 10 ms, the time after which the runtime preempts of itself
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
		records := make([]runtime.StackRecord, 1024)
		o.observe = func() error { runtime.GoroutineProfile(records); return nil }
	case "stacks":
		text := make([]byte, 1<<20)
		o.observe = func() error { runtime.Stack(text, true); return nil }
	case "cpu":
		o.observe = func() error {
			if err := pprof.StartCPUProfile(io.Discard); err != nil {
				return err
			}
			time.Sleep(20 * time.Millisecond)
			pprof.StopCPUProfile()
			return nil
		}
	case "none":
		o.observe = func() error { time.Sleep(10 * time.Millisecond); return nil }
	default:
		return o, fmt.Errorf("unknown observer %q", name)
	}
	return o, nil
}
