package victim

import (
	"fmt"
	"time"
)

// A pin is an instruction that was replaced by a branch to itself.
type pin struct {
	address uint64 // of the instruction in the guest's memory; 0 means that there is no pin
	word    uint32 // the instruction that was replaced
}

// Pin returns the value of Config.Hold for a pin. The guest's file must have a branch to
// itself at the address, in the place of word.
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

// A victim may make calls before it reaches its pin. These times tell whether it has.
const (
	still     = time.Second      // no call for so long: the victim waits at the pin
	neverHeld = 10 * time.Second // calls go on for so long: it does not reach the pin
)

// hold observes until a bound of the run is reached, and puts the pinned instruction
// back. Then it observes until the victim has completed a call, and after that
// ObserveAfterHold times more. It prints lines that begin with "held", "released" and
// "end".
//
// If the victim never waits at the pin, hold puts nothing back. The line after "held"
// then begins with "end".
func (r *run) hold() error {
	if err := r.watch(r.Observe, r.For, "held"); err != nil {
		return err
	}
	for begin, quiet, last := time.Now(), time.Now(), r.total(); last > 0 && time.Since(quiet) < still; {
		if time.Since(begin) > neverHeld {
			return r.watch(1, r.For, "end")
		}
		if err := r.observer.observe(); err != nil {
			return err
		}
		if now := r.total(); now != last {
			last, quiet = now, time.Now()
		}
	}
	before := r.total()
	if err := r.pin.release(); err != nil {
		return fmt.Errorf("release of the pin at %#x: %w", r.pin.address, err)
	}
	fmt.Fprintf(r.stdout, "%sreleased %#x\n", LineMark, r.pin.address)
	for r.total() == before {
		if err := r.watch(r.ObserveAfterHold, 0, "observed"); err != nil {
			return err
		}
	}
	return r.watch(r.ObserveAfterHold, 0, "end")
}
