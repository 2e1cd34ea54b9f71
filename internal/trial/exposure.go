package trial

import (
	"bytes"
	"fmt"

	"splitadd/internal/victim"
)

// An exposure is what a guest has printed about its run.
type exposure struct {
	began        bool // the victims were about to start
	released     bool // the pin was put back
	refused      int  // preemption signals in a row that did not preempt the victim at the pin; 0 if the guest did not end because of them
	ended        bool // the guest reached the bound of its configuration
	stuck        bool // it reached the bound twice, because a victim did not return from its call
	observations int
	calls        uint64
	seconds      float64 // since observation began
}

// parseExposure reads the last report of the guest's exposure from its output.
func parseExposure(output []byte) (x exposure) {
	for len(output) > 0 {
		var line []byte
		line, output, _ = bytes.Cut(output, []byte("\n"))
		said, ok := bytes.CutPrefix(line, []byte(victim.LineMark))
		if !ok {
			continue
		}
		x.began = x.began || bytes.HasPrefix(said, []byte("begin "))
		x.released = x.released || bytes.HasPrefix(said, []byte("released "))
		var word string
		if n, _ := fmt.Sscanf(string(said), "refused %d", &x.refused); n == 1 {
			continue
		}
		next := exposure{began: x.began, released: x.released, refused: x.refused}
		if n, _ := fmt.Sscanf(string(said), "%s %d calls %d seconds %f", &word, &next.observations, &next.calls, &next.seconds); n == 4 {
			next.stuck = word == "stuck"
			next.ended = word == "end" || next.stuck
			x = next
		}
	}
	return x
}
