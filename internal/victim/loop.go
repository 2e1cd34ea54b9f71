package victim

import (
	"fmt"
	"sync/atomic"
)

// A counter is a count of calls on its own cache line.
type counter struct {
	n uint64
	_ [15]uint64
}

// burst is how many times loop makes four short calls before it checks whether to stop.
// The check is long, so a preemption is likelier to land in a window if it is rare.
const burst = 1 << 12

// bursts returns how many times loop makes four hot calls after each cold call. Loop
// does not check whether to stop between them, so the number is smaller for longer calls.
func (c Case) bursts() uint64 {
	if c.longCall {
		return 0
	}
	return 1 + burst*16/(16+spinBody)
}

// loop calls the victim until stop is set, and checks every result. Each round is a cold
// call and then a burst of hot calls. After each round it stores the number of calls in
// done. The error wraps ErrCorrupt or ErrFreed.
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
