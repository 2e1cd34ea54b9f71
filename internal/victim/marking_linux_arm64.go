package victim

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

// marking reports whether the garbage collector is marking: whether the flag is set that
// compiled code checks before it stores a pointer (runtime.writeBarrier).
func marking() bool

// counterFrequency returns how many ticks of the system counter (CNTVCT_EL0) a second has.
func counterFrequency() uint64

// The states of a goroutine that holds the collector up.
const (
	waiting  = 1
	released = 2
	gaveUp   = 3
)

// waitUnpreempted sets state to waiting and waits until it is released. After a number of
// ticks of the system counter it sets state to gaveUp instead. It is assembly, so the
// runtime cannot preempt it (runtime/preempt.go, isAsyncSafePoint).
func waitUnpreempted(state *uint32, ticks uint64)

// usualMarkingWait is how long the collector is held up at most, on a fast machine.
const usualMarkingWait = 10 * time.Second

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
//
// If that goroutine gets no CPU for as long as the collector takes to scan the stacks, its
// own is scanned before it waits. Marking then ends, and the collector stops the world: all
// goroutines wait for the one that waits for them. So it gives up at last. The error then
// wraps ErrMissed: the victim may have gone on when nothing was being marked.
func (r *run) releaseWhileMarking(putBack func() error, goesOn func() bool) error {
	runtime.GOMAXPROCS(4)
	ended := make(chan struct{})
	defer close(ended)
	wait := r.MarkingWait
	for i := 0; i < parkedGoroutines; i++ {
		go func() { <-ended }()
	}
	if wait == 0 {
		begin := time.Now()
		runtime.GC()
		wait = usualMarkingWait + 50*time.Since(begin)
	}
	ticks := uint64(wait.Seconds() * float64(counterFrequency()))
	state := new(uint32)
	go func() {
		for !marking() {
		}
		waitUnpreempted(state, ticks)
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
	inTime := atomic.CompareAndSwapUint32(state, waiting, released)
	switch {
	case err != nil:
		return err
	case !inTime:
		return fmt.Errorf("%w: within %v", ErrMissed, wait)
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

// take loads the pointers of the latest call of an overwriter, and reports on loaded
// that it has. It keeps them until the garbage collection has ended. Then it reports on
// kept whether no object was freed.
//
// Take has to be called in a new goroutine while garbage is being marked. The collector
// does not scan the stack of such a goroutine. It relies on the write barrier: whoever
// overwrites one of the pointers has to mark the object.
func take(loaded *uint32, collected <-chan struct{}, kept chan<- bool) {
	s := (*slots)(atomic.LoadPointer(&latestSlots))
	var taken [4]*object
	if s != nil {
		taken = s.to
	}
	atomic.StoreUint32(loaded, 1)
	<-collected
	ok := true
	for i, o := range taken {
		overwritten := o == nil || o[1] != 0 // before it was loaded
		ok = ok && (overwritten || atomic.LoadUint32(&s.freed[i]) == 0)
		runtime.KeepAlive(o)
	}
	kept <- ok
}
