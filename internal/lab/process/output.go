package process

import (
	"fmt"
	"sync"
	"time"
)

// An output collects what a process prints, up to MaxOutput bytes.
type output struct {
	middle bool          // leave out the middle of a longer output
	full   chan struct{} // closed at MaxOutput bytes, if nothing is to be left out

	mu         sync.Mutex
	head, tail []byte
	dropped    int64
	first      time.Time // when something was printed; zero if nothing was
}

// note replaces the part of an output that is left out. noteSize is its greatest
// length.
const (
	note     = "\n[%d bytes are left out here]\n"
	noteSize = 64
	headSize = MaxOutput / 2
	tailSize = MaxOutput - headSize - noteSize
)

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.first.IsZero() {
		o.first = time.Now()
	}
	most := MaxOutput
	if o.middle {
		most = headSize
	}
	n := min(len(p), most-len(o.head))
	o.head = append(o.head, p[:n]...)
	switch {
	case o.middle:
		o.tail = append(o.tail, p[n:]...)
		if len(o.tail) > 2*tailSize { // not for every write
			o.trim()
		}
	case n > 0 && len(o.head) == MaxOutput:
		close(o.full)
	}
	return len(p), nil
}

// trim cuts the tail to its size.
func (o *output) trim() {
	if over := len(o.tail) - tailSize; over > 0 {
		o.dropped += int64(over)
		o.tail = append(o.tail[:0], o.tail[over:]...)
	}
}

// into writes the collected output into a result.
func (o *output) into(r *Result, begin time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.trim(); o.dropped > 0 {
		o.head = fmt.Appendf(o.head, note, o.dropped)
	}
	r.Output, r.Dropped, r.FirstOutput = append(o.head, o.tail...), o.dropped, r.Seconds
	if !o.first.IsZero() {
		r.FirstOutput = o.first.Sub(begin).Seconds()
	}
}
