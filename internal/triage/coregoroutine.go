package triage

import (
	"context"
	"encoding/binary"

	"splitadd/internal/window"
)

// An Interrupted is a goroutine that runtime.asyncPreempt interrupted in a window.
type Interrupted struct {
	Window      window.Window
	PCAt        uint64 // the address of the word that holds the interrupted pc
	SP          uint64 // the goroutine's stack pointer where it was interrupted
	ID          uint64 // the goroutine's number, or 0
	Lo, Hi      uint64 // the bounds of its stack, or 0 if its descriptor was not found
	Parked      bool   // its descriptor says that it is still parked there
	TakenReturn uint64 // the word that the unwinder takes for the return address
	TrueReturn  uint64 // the true return address
}

// findInterrupted finds the goroutines that were interrupted in a window. Each is an aligned word that
// is the pc of a window, at the bottom of a frame of asyncPreempt. The word is not a return
// address, because no window follows a call.
func (c *coreSearch) findInterrupted(ctx context.Context) (found []Interrupted, err error) {
	windows := map[uint64]*window.Window{}
	least, most := ^uint64(0), uint64(0)
	for i := range c.binary.Windows {
		w := &c.binary.Windows[i]
		windows[w.PC+c.loadOffset] = w
		least, most = min(least, w.PC+c.loadOffset), max(most, w.PC+c.loadOffset)
	}
	if len(windows) == 0 {
		return nil, nil
	}
	err = c.file.VisitMemory(ctx, func(addr uint64, memory []byte) bool {
		for i := 0; i+8 <= len(memory); i += 8 {
			word := binary.LittleEndian.Uint64(memory[i:])
			if word-least > most-least {
				continue
			}
			if w := windows[word]; w != nil && len(found) < maxFound {
				if at := addr + uint64(i); c.inPreempt(at - uint64(c.preempt2Size)) {
					found = append(found, c.describe(*w, at))
				}
			}
		}
		return true
	})
	if err != nil || len(found) == 0 {
		return found, err
	}
	return found, c.findDescriptors(ctx, found)
}

const maxFound = 256 // goroutines that search returns at most

// inPreempt reports whether the word at an address is a pc in asyncPreempt.
func (c *coreSearch) inPreempt(addr uint64) bool {
	word, ok := c.word(addr)
	return ok && word >= c.asyncPreempt.entry && word < c.asyncPreempt.end
}

// describe returns the goroutine whose interrupted pc is at an address.
func (c *coreSearch) describe(w window.Window, at uint64) Interrupted {
	i := Interrupted{Window: w, PCAt: at, SP: at + uint64(c.pushSize)}
	// On arm64 the return address is at the bottom of the frame.
	i.TakenReturn, _ = c.word(i.SP)
	i.TrueReturn, _ = c.word(i.SP - uint64(w.Claimed-w.Actual))
	return i
}

// gSched is the offset of the saved registers in a goroutine's descriptor, in bytes: sp, pc
// and g. The descriptor begins with the bounds of its stack. Both are the same from Go 1.16 to
// 1.27 (runtime/runtime2.go, type g).
const gSched = 56

// maxSavedSPGap is the largest distance from the saved stack pointer of a parked goroutine up to
// the word that holds its interrupted pc, in bytes. Between them are the frames of
// asyncPreempt2 and of what it calls.
const maxSavedSPGap = 1024

// findDescriptors finds the descriptors of the goroutines. A descriptor begins with the bounds
// of a stack, and has its own address among the saved registers.
func (c *coreSearch) findDescriptors(ctx context.Context, found []Interrupted) error {
	left := len(found)
	least, most := ^uint64(0), uint64(0)
	for _, f := range found {
		least, most = min(least, f.PCAt), max(most, f.PCAt)
	}
	return c.file.VisitMemory(ctx, func(addr uint64, memory []byte) bool {
		for i := 0; i+16 <= len(memory); i += 8 {
			lo := binary.LittleEndian.Uint64(memory[i:])
			if lo < 4096 {
				continue
			}
			hi := binary.LittleEndian.Uint64(memory[i+8:])
			if hi <= lo || hi-lo > 1<<30 || hi <= least || lo > most {
				continue
			}
			if !c.spend(1) {
				return false
			}
			for n := range found {
				f := &found[n]
				if f.Hi != 0 || f.PCAt < lo || f.PCAt >= hi {
					continue
				}
				g := addr + uint64(i)
				if self, ok := c.word(g + gSched + 16); !ok || self != g {
					continue
				}
				sp, _ := c.word(g + gSched)
				f.Lo, f.Hi, f.Parked = lo, hi, sp < f.PCAt && f.PCAt-sp <= maxSavedSPGap
				c.identify(g, f)
				left--
			}
		}
		return left > 0
	})
}

// identify reads the number of the goroutine whose descriptor is at g. The descriptor has, one
// word after the other, the address where unwinding ends, param, the status and the number.
func (c *coreSearch) identify(g uint64, f *Interrupted) {
	for at := g + gSched + 5*8; at < g+gSched+16*8; at += 8 {
		top, _ := c.word(at)
		status, _ := c.word(at + 16)
		if status &= 0xfff; top <= f.Hi && f.Hi-top < maxSavedSPGap && top > f.PCAt && status >= 1 && status <= 10 {
			f.ID, _ = c.word(at + 24)
			return
		}
	}
}
