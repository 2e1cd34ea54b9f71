package victim

import (
	"fmt"
	"sync/atomic"
)

// A pin is an instruction that was replaced by a branch to itself.
type pin struct {
	address uint64 // of the instruction in the guest's memory; 0 means that there is no pin
	word    uint32 // the instruction that was replaced
}

// Pin returns the value of Config.Pin for a pin. The guest's file must have a branch to
// itself at the address, in the place of word.
func Pin(address uint64, word uint32) string { return fmt.Sprintf("%x:%08x", address, word) }

func parsePin(text string) (p pin, err error) {
	if text == "" {
		return p, nil
	}
	var rest string
	if n, _ := fmt.Sscanf(text, "%x:%x%s", &p.address, &p.word, &rest); n != 2 || p.address == 0 || p.address%4 != 0 {
		return pin{}, fmt.Errorf("-pin=%s: want the address of an instruction, a colon and a word, hexadecimal", text)
	}
	return p, nil
}

// maxRefused is how many preemption signals in a row may reach the thread at the pin
// without a preemption. The runtime sends one only after it has asked the thread's
// goroutine to stop. A signal that belongs to another goroutine, which ran on the thread
// before, is possible, but not twice in a row. So a much smaller number would do.
const maxRefused = 100

// What the thread at the pin did with preemption signals, according to countSignal.
var (
	pinned    uint64 // the address of the pin; 0 if nothing is counted
	preempted uint64 // signals that preempted the goroutine at the pin
	refused   uint64 // signals since then that did not
)

// reached reports whether a thread has been seen at the pin.
func (p pin) reached() bool { return p.preempted() || atomic.LoadUint64(&refused) > 0 }

// preempted reports whether a goroutine has been preempted at the pin.
func (p pin) preempted() bool { return atomic.LoadUint64(&preempted) > 0 }
