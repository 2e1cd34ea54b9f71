package victim

import (
	"fmt"
	"io"
	"time"
)

// A pin is an instruction that was replaced by a branch to itself.
type pin struct {
	address uint64 // as the guest is linked and loaded; 0 is no pin
	word    uint32 // the instruction
}

// Pin returns the value of Config.Hold for an instruction, which the guest's file
// has a branch to itself for.
func Pin(address uint64, word uint32) string { return fmt.Sprintf("%x:%08x", address, word) }

func parsePin(text string) (p pin, err error) {
	if text == "" {
		return p, nil
	}
	var rest string
	if n, _ := fmt.Sscanf(text, "%x:%x%s", &p.address, &p.word, &rest); n != 2 || p.address == 0 || p.address%4 != 0 {
		return pin{}, fmt.Errorf("-hold=%s: want the address of an instruction, a colon and a word, hexadecimal", text)
	}
	return p, nil
}

// Beside the wait for a victim that makes calls before it gets to its pin.
const (
	still     = time.Second      // without a call: it waits at the pin
	neverHeld = 10 * time.Second // with calls: it does not get there
)

// hold observes until a bound of c is reached, puts the pinned instruction back, and
// observes c.ObserveAfterHold times more, and until the victim has completed a call. The lines
// that it prints begin with "held", "released" and "end". If the victim never waits
// at the pin, nothing is put back, and the line after "held" begins with "end".
func (c Config) hold(p pin, watch observer, calls func() uint64, failed <-chan error, stdout io.Writer) error {
	if err := c.watch(watch, calls, failed, stdout, "held"); err != nil {
		return err
	}
	more := c
	for begin, quiet, last := time.Now(), time.Now(), calls(); last > 0 && time.Since(quiet) < still; {
		if time.Since(begin) > neverHeld {
			more.Observe = 1
			return more.watch(watch, calls, failed, stdout, "end")
		}
		if err := watch.observe(); err != nil {
			return err
		}
		if now := calls(); now != last {
			last, quiet = now, time.Now()
		}
	}
	before := calls()
	if err := p.release(); err != nil {
		return fmt.Errorf("release of the pin at %#x: %w", p.address, err)
	}
	fmt.Fprintf(stdout, "%sreleased %#x\n", LineMark, p.address)
	more.Observe, more.For = c.ObserveAfterHold, 0
	for calls() == before {
		if err := more.watch(watch, calls, failed, stdout, "observed"); err != nil {
			return err
		}
	}
	return more.watch(watch, calls, failed, stdout, "end")
}
