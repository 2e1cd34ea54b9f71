package triage

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"

	"splitadd/internal/core"
	"splitadd/internal/window"
)

// Core returns the verdict on a core file. The binary may be nil.
func Core(ctx context.Context, path string, b *Binary) (v Verdict, err error) {
	f, err := core.Open(path)
	if errors.Is(err, core.ErrArch) {
		v = newVerdict(NotThis, "the core file is not from arm64, the only architecture that changes its stack pointer in two instructions", err.Error())
		v.Input = path
		return v, nil
	}
	if err != nil {
		return v, err
	}
	defer f.Close()
	if b == nil {
		v = newVerdict(Undecided, "a core file says nothing without the binary", diedOf(f))
		v.Settle = "the binary that ran: splitadd triage -binary FILE " + path
	} else if v, err = (&coreSearch{file: f, binary: b}).verdict(ctx); err != nil {
		return v, fmt.Errorf("%s: %w", path, err)
	}
	v.finish(b)
	v.Input, v.Arch = path, "arm64"
	if b != nil {
		v.Go = b.Go
	}
	return v, nil
}

// diedOf says which thread died, and of which signal.
func diedOf(f *core.File) string {
	for _, t := range f.Threads {
		if t.Signal != 0 {
			return fmt.Sprintf("thread %d died of %s", t.ID, core.SignalName(t.Signal))
		}
	}
	return fmt.Sprintf("none of %d threads had died", len(f.Threads))
}

// A coreSearch looks for goroutines in windows in a core file, with the binary that ran.
type coreSearch struct {
	file       *core.File
	binary     *Binary
	loadOffset uint64 // what the loader added to the binary's addresses
	// pushSize is the size of what a preemption puts on the goroutine's stack, down to the end
	// of asyncPreempt's frame, in bytes. The interrupted pc is at its bottom.
	pushSize int64
	// preempt2Size is the size of asyncPreempt2's frame, which is below it, in bytes. The
	// return address in asyncPreempt is at its bottom.
	preempt2Size int64
	asyncPreempt struct{ entry, end uint64 }
	text         struct{ lo, hi uint64 } // the bounds of the code in memory
	work         int                     // what was looked up so far; above maxWork, nothing more is
}

// maxWork bounds what is looked up in a core file, in words that are read and addresses whose
// functions are looked up. A file with any contents then takes a second or two.
const maxWork = 1 << 20

// spend spends n units of work, and reports whether that many were left.
func (c *coreSearch) spend(n int) bool {
	c.work += n
	return c.work <= maxWork
}

// word returns the word at an address. If the file does not have it, or no work is left, it
// returns false.
func (c *coreSearch) word(addr uint64) (uint64, bool) {
	if !c.spend(1) {
		return 0, false
	}
	return c.file.Word(addr)
}

// verdict returns the verdict on the core file.
func (c *coreSearch) verdict(ctx context.Context) (v Verdict, err error) {
	fits := c.prepare()
	shown, same := c.sameBinary()
	if !fits || shown && !same {
		v = newVerdict(Undecided, "the core file is from another program than "+c.binary.Path, diedOf(c.file))
		v.Settle = "the binary that ran: splitadd triage -binary FILE"
		return v, nil
	}
	found, err := c.findInterrupted(ctx)
	if err != nil {
		return v, err
	}
	unwinder := c.unwoundBy()
	for _, class := range []window.Class{window.SP, window.FP} {
		for _, i := range found {
			if i.Window.Class == class && i.Parked && unwinder == class {
				v = split(i.Window)
				v.Evidence = []string{c.interruptedText(i), c.unwinderView(i), diedOf(c.file) + ", and a thread had given up unwinding"}
				return v, nil
			}
		}
	}
	switch {
	case c.work > maxWork:
		v = newVerdict(Undecided, "the core file has more threads, or more words that look like a goroutine in a window, than are examined", diedOf(c.file))
		v.Settle = "the log: splitadd triage -binary FILE LOG"
	case len(found) == 0 && unwinder != "":
		v = newVerdict(Undecided, "the process died while it unwound a stack, but no goroutine is parked in a window", diedOf(c.file))
		v.Settle = "the log: what the unwinder printed"
	case len(found) == 0 && (c.file.CutOff || !same):
		reason := "the core file does not show that it is from " + c.binary.Path
		if c.file.CutOff {
			reason = "the core file is cut off, and what is left has no goroutine in a window"
		}
		v = newVerdict(Undecided, reason, diedOf(c.file))
		v.Settle = "the whole core file, or the log: splitadd triage -binary FILE LOG"
	case len(found) == 0:
		v = newVerdict(NotThis, "no goroutine was interrupted in a window, and no stack was being unwound", diedOf(c.file))
	default:
		v = newVerdict(Undecided, "a goroutine was interrupted in a window, but it is not clear what killed the process", c.interruptedText(found[0]), c.unwinderView(found[0]), diedOf(c.file))
		v.Settle = "the log: splitadd triage -binary FILE LOG"
	}
	return v, nil
}

// sameBinary reports whether the core file shows which program it is from, and whether that is
// the binary. It compares the first page, which has the headers and the build ID. By default
// Linux writes it to a core file. Without it, the threads decide: if a thread is in a function
// of the binary, its link register must follow a call. It uses the load offset that prepare
// has found.
func (c *coreSearch) sameBinary() (shown, same bool) {
	for _, s := range c.binary.file.Segments {
		if s.Offset != 0 || len(s.Data) < 4096 {
			continue
		}
		differ, missing := 0, 0
		for at := 0; at < 4096; at += 8 {
			word, ok := c.word(s.Addr + c.loadOffset + uint64(at))
			switch {
			case !ok:
				missing++
			case word != binary.LittleEndian.Uint64(s.Data[at:]):
				differ++
			}
		}
		if missing == 0 {
			return true, differ == 0
		}
	}
	good, bad := 0, 0
	for _, t := range c.file.Threads {
		switch {
		case c.funcName(t.PC) == "":
		case c.binary.isCall(t.X[30] - c.loadOffset - 4):
			good++
		default:
			bad++
		}
	}
	return good+bad > 1, good > 1 && bad == 0
}

// prepare finds out where the binary was loaded, and how its runtime parks a goroutine. It
// returns false if the core file cannot be from the binary.
func (c *coreSearch) prepare() bool {
	if program, err := elf.NewFile(bytes.NewReader(c.binary.file.Contents())); err == nil && c.file.Entry != 0 {
		c.loadOffset = c.file.Entry - program.Entry
	}
	if c.loadOffset%4096 != 0 {
		return false
	}
	if n := c.binary.table.Len(); n > 0 {
		first, err := c.binary.table.Func(0)
		last, err2 := c.binary.table.Func(n - 1)
		if err == nil && err2 == nil {
			c.text.lo, c.text.hi = first.Entry+c.loadOffset, last.End+c.loadOffset
		} else {
			c.text.hi = ^uint64(0)
		}
	}
	push, below, ok := window.PreemptFrames(c.binary.table)
	if !ok {
		return false
	}
	fn, _ := c.binary.table.LookupFunc("runtime.asyncPreempt")
	c.asyncPreempt.entry, c.asyncPreempt.end = fn.Entry+c.loadOffset, fn.End+c.loadOffset
	c.pushSize, c.preempt2Size = push, below
	return below > 0
}

// funcName returns the name of the function at an address, or "".
func (c *coreSearch) funcName(pc uint64) string {
	if pc < c.text.lo || pc >= c.text.hi || !c.spend(1) {
		return ""
	}
	fn, ok := c.binary.table.PCToFunc(pc - c.loadOffset)
	if !ok {
		return ""
	}
	return fn.Name()
}

// interruptedText says where a goroutine was interrupted.
func (c *coreSearch) interruptedText(i Interrupted) string {
	who, state := "a goroutine", "was once interrupted at"
	if i.ID != 0 {
		who = fmt.Sprintf("goroutine %d", i.ID)
	}
	if i.Parked {
		state = "is in runtime.asyncPreempt, interrupted at"
	}
	return fmt.Sprintf("%s %s %s+%#x: %#x holds its pc %#x", who, state, i.Window.Func, i.Window.Offset(), i.PCAt, i.Window.PC+c.loadOffset)
}

// unwinderView says what the unwinder reads of the goroutine, and what it should read.
func (c *coreSearch) unwinderView(i Interrupted) string {
	if i.Window.Class == window.FP {
		return fmt.Sprintf("its frame pointer is %d bytes below the stack pointer at entry: neither its own frame's nor its caller's", i.Window.Actual)
	}
	return fmt.Sprintf("SP %#x: the unwinder takes [%#x,%#x) for the frame and %s for the return address; the true return address, at %#x, is %s",
		i.SP, i.SP, i.SP+uint64(i.Window.Claimed), c.symbolText(i.TakenReturn), i.SP-uint64(i.Window.Claimed-i.Window.Actual), c.symbolText(i.TrueReturn))
}

// symbolText describes an address.
func (c *coreSearch) symbolText(addr uint64) string {
	if fn, ok := c.binary.table.PCToFunc(addr - c.loadOffset); ok {
		return fmt.Sprintf("%s+%#x", fn.Name(), addr-c.loadOffset-fn.Entry)
	}
	return fmt.Sprintf("%#x (not code)", addr)
}
