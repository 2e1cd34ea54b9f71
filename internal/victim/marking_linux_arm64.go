package victim

import (
	"fmt"
	"runtime"
	"sync/atomic"
)

// marking reports whether the garbage collector is marking: whether the flag is set that
// compiled code checks before it stores a pointer (runtime.writeBarrier).
func marking() bool

// waitUnpreempted sets state to 1 and waits until it is something else. It is assembly, so
// the runtime cannot preempt it (runtime/preempt.go, isAsyncSafePoint).
func waitUnpreempted(state *uint32)

// parkedGoroutines is how many stacks the collector scans before that of the goroutine
// that holds it up.
const parkedGoroutines = 20000

// releaseWhileMarking puts the pinned instruction back between the beginning and the end
// of one garbage collection's marking. It is for a victim that waits between the check of
// the write barrier and the store that it guards. The victim came there before, so it
// found that nothing was being marked, and its store hides the old pointer from the
// collector. That does harm if another goroutine has loaded the pointer, and its stack is
// not scanned after that: see take. The error then wraps ErrFreed.
//
// The collector has to find the victim's object by no other way in that time. It scans
// stacks before it follows the pointers it has found, and no stack while the goroutine
// before it does not stop. So one goroutine waits where the runtime cannot preempt it,
// from soon after the beginning of marking. With four Ps the collector has one worker.
// The other Ps are kept busy, because an idle one would start another worker.
func releaseWhileMarking(putBack func() error, goesOn func() bool) error {
	runtime.GOMAXPROCS(4)
	ended := make(chan struct{})
	defer close(ended)
	for i := 0; i < parkedGoroutines; i++ {
		go func() { <-ended }()
	}
	state := new(uint32)
	go func() {
		for !marking() {
		}
		waitUnpreempted(state)
	}()
	collected := make(chan struct{})
	go func() {
		for atomic.LoadUint32(state) == 0 {
			runtime.GC()
		}
		close(collected)
	}()
	for atomic.LoadUint32(state) == 0 {
		runtime.Gosched()
	}
	loaded, kept := new(uint32), make(chan bool)
	finalized := make(chan struct{})
	go take(loaded, finalized, kept)
	for atomic.LoadUint32(loaded) == 0 {
		runtime.Gosched()
	}
	err := putBack()
	for i := 1; err == nil && !goesOn(); i++ {
		runtime.Gosched()
		if i%10000 == 0 {
			err = putBack()
		}
	}
	atomic.StoreUint32(state, 2)
	if err != nil {
		return err
	}
	<-collected
	for i := 0; i < 3; i++ {
		dropped(nil) // after that the finalizer of what was not marked has run
	}
	close(finalized)
	if !<-kept {
		return fmt.Errorf("%w: another goroutine had loaded its address, and the write barrier did not mark it when the victim overwrote the pointer", ErrFreed)
	}
	return nil
}
