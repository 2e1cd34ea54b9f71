package victim

import (
	"fmt"
	"sync/atomic"
	"time"
)

// neverReached is how many observations in which calls returned show that the victim does
// not reach the pin.
const neverReached = 300

// hold observes until a bound of the run is reached, and puts the pinned instruction
// back. Then it observes until the victim has completed a call, and after that
// ObserveAfterHold times more. It prints lines that begin with "held", "released" and
// "end".
//
// While the victim does not go on, hold puts the instruction back again and again. QEMU
// 7.2 misses a store to code that another processor translates at that moment, and the
// victim is likely to do so: the first store gives the process a page of its own, so the
// victim's processor has to translate the code there.
//
// If the victim never waits at the pin, hold puts nothing back. The line after "held"
// then begins with "end".
func (r *run) hold() error {
	if !countsSignals {
		return errNoRelease
	}
	if err := r.watch(r.Observe, r.For, "held"); err != nil {
		return err
	}
	for passed := 0; !r.pin.preempted(); {
		before := r.total()
		if err := r.observer.observe(); err != nil {
			return err
		}
		if r.total() == before {
			continue
		}
		if passed++; passed == neverReached {
			return r.watch(1, r.For, "end")
		}
	}
	before := r.total()
	if before > 0 { // it may have come to the pin only now
		if err := r.watch(r.Observe, r.For, "held"); err != nil {
			return err
		}
	}
	var err error
	if r.Observer == "marking" {
		err = r.releaseWhileMarking(r.putBack, func() bool { return r.total() > before })
	} else {
		err = r.putBack()
	}
	if err != nil {
		return err
	}
	for r.total() == before && atomic.LoadUint32(&r.stop) == 0 {
		begin := time.Now()
		if err := r.watch(r.ObserveAfterHold, 0, "observed"); err != nil {
			return err
		}
		// Observations that follow one another may leave the victim no time to run.
		time.Sleep(time.Since(begin))
		if err := r.putBack(); err != nil {
			return err
		}
	}
	return r.watch(r.ObserveAfterHold, 0, "end")
}

// putBack puts the pinned instruction back. It prints a line the first time.
func (r *run) putBack() error {
	if err := r.pin.release(); err != nil {
		return fmt.Errorf("release of the pin at %#x: %w", r.pin.address, err)
	}
	if !r.released {
		r.released = true
		fmt.Fprintf(r.stdout, "%sreleased %#x\n", LineMark, r.pin.address)
	}
	return nil
}
