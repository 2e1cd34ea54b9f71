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

// Core gives the verdict on a core file. The binary may be nil.
func Core(ctx context.Context, path string, b *Binary) (v Verdict, err error) {
	f, err := core.Open(path)
	if errors.Is(err, core.ErrArch) {
		v = because(NotThis, "no core file of arm64, the only architecture that changes its stack pointer in two instructions", err.Error())
		v.Input = path
		return v, nil
	}
	if err != nil {
		return v, err
	}
	defer f.Close()
	if b == nil {
		v = because(Undecided, "a core file says nothing without the binary", died(f))
		v.Settle = "the binary that ran: splitadd triage -binary FILE " + path
	} else if v, err = (&corpse{file: f, binary: b}).verdict(ctx); err != nil {
		return v, fmt.Errorf("%s: %w", path, err)
	}
	v.finish(b)
	v.Input, v.Arch = path, "arm64"
	if b != nil {
		v.Go = b.Go
	}
	return v, nil
}

// died says which thread died, and of what.
func died(f *core.File) string {
	for _, t := range f.Threads {
		if t.Signal != 0 {
			return fmt.Sprintf("thread %d died of %s", t.ID, core.SignalName(t.Signal))
		}
	}
	return fmt.Sprintf("none of %d threads had died", len(f.Threads))
}

// A corpse is a core file and the binary that ran.
type corpse struct {
	file    *core.File
	binary  *Binary
	moved   uint64 // what the loader added to the binary's addresses
	push    int64  // from asyncPreempt's frame to where the goroutine was interrupted, bytes
	below   int64  // from there to where it calls asyncPreempt2, whose frame that is
	preempt struct{ entry, end uint64 }
	text    struct{ lo, hi uint64 } // of the binary, where it was loaded
	work    int                     // done so far; above maxWork nothing more is looked up
}

// maxWork bounds what is looked up in a core file, in words read and addresses
// named, so that a file of any content takes a second or two.
const maxWork = 1 << 20

// spend reports whether there is work left, and takes some.
func (c *corpse) spend(n int) bool {
	c.work += n
	return c.work <= maxWork
}

// word returns the word at an address, and whether the file has it.
func (c *corpse) word(addr uint64) (uint64, bool) {
	if !c.spend(1) {
		return 0, false
	}
	return c.file.Word(addr)
}

// An Interrupted is a goroutine that runtime.asyncPreempt has parked in a
// window.
type Interrupted struct {
	Window window.Window
	At     uint64 // address of the word that holds the interrupted pc
	SP     uint64 // of the goroutine, where it was interrupted
	ID     uint64 // of the goroutine, or 0
	Lo, Hi uint64 // its stack; 0 where its descriptor was not found
	Parked bool   // the descriptor says that it still is
	Return uint64 // the word that the unwinder takes for a return address
	True   uint64 // the return address that it should find
}

// pushed is what a preemption pushes before it calls asyncPreempt, bytes
// (runtime/signal_arm64.go, sigctxt.pushCall).
const pushed = 16

func (c *corpse) verdict(ctx context.Context) (v Verdict, err error) {
	fits := c.prepare()
	shown, same := c.same()
	if !fits || shown && !same {
		v = because(Undecided, "the core file is of another program than "+c.binary.Path, died(c.file))
		v.Settle = "the binary that ran: splitadd triage -binary FILE"
		return v, nil
	}
	found, err := c.search(ctx)
	if err != nil {
		return v, err
	}
	unwinder := c.unwinding()
	for _, class := range []window.Class{window.SP, window.FP} {
		for _, i := range found {
			if i.Window.Class == class && i.Parked && unwinder == class {
				v = split(i.Window)
				v.Evidence = []string{c.interrupted(i), c.taken(i), died(c.file) + ", and a thread had given up unwinding"}
				return v, nil
			}
		}
	}
	switch {
	case c.work > maxWork:
		v = because(Undecided, "the core file has more threads, or more that looks like a goroutine in a window, than are looked at", died(c.file))
		v.Settle = "the log: splitadd triage -binary FILE LOG"
	case len(found) == 0 && unwinder != "":
		v = because(Undecided, "it died unwinding, and no goroutine is parked in a window", died(c.file))
		v.Settle = "the log: what the unwinder printed"
	case len(found) == 0 && (c.file.CutOff || !same):
		why := "the core file does not show that it is of " + c.binary.Path
		if c.file.CutOff {
			why = "the core file is cut off, and what is left has no goroutine in a window"
		}
		v = because(Undecided, why, died(c.file))
		v.Settle = "the whole core file, or the log: splitadd triage -binary FILE LOG"
	case len(found) == 0:
		v = because(NotThis, "no goroutine was interrupted in a window, and nothing was being unwound", died(c.file))
	default:
		v = because(Undecided, "a goroutine was interrupted in a window, and what killed the process is not clear", c.interrupted(found[0]), c.taken(found[0]), died(c.file))
		v.Settle = "the log: splitadd triage -binary FILE LOG"
	}
	return v, nil
}

// same reports whether the core file shows whose it is, and whether that is the
// binary: by the first page, with headers and build ID, as Linux writes it by
// default; else by the threads, whose link registers, in functions of the binary,
// have to follow calls. It goes by the address that prepare has found.
func (c *corpse) same() (shown, same bool) {
	for _, s := range c.binary.file.Segments {
		if s.Offset != 0 || len(s.Data) < 4096 {
			continue
		}
		differ, missing := 0, 0
		for at := 0; at < 4096; at += 8 {
			word, ok := c.word(s.Addr + c.moved + uint64(at))
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
		case c.name(t.PC) == "":
		case c.binary.isCall(t.X[30] - c.moved - 4):
			good++
		default:
			bad++
		}
	}
	return good+bad > 1, good > 1 && bad == 0
}

// prepare finds out where the binary was loaded, and how its runtime parks a
// goroutine. It reports whether the two belong together.
func (c *corpse) prepare() bool {
	if program, err := elf.NewFile(bytes.NewReader(c.binary.file.Contents())); err == nil && c.file.Entry != 0 {
		c.moved = c.file.Entry - program.Entry
	}
	if c.moved%4096 != 0 {
		return false
	}
	if n := c.binary.table.Len(); n > 0 {
		first, err := c.binary.table.Func(0)
		last, err2 := c.binary.table.Func(n - 1)
		if err == nil && err2 == nil {
			c.text.lo, c.text.hi = first.Entry+c.moved, last.End+c.moved
		} else {
			c.text.hi = ^uint64(0)
		}
	}
	frame := func(name string) int64 {
		for _, fn := range c.binary.funcs[name] {
			if name == "runtime.asyncPreempt" {
				c.preempt.entry, c.preempt.end = fn.Entry+c.moved, fn.End+c.moved
			}
			values, err := fn.PCSP()
			if err != nil {
				continue
			}
			most := int32(0)
			for _, v := range values {
				most = max(most, v.Value)
			}
			return int64(most)
		}
		return 0
	}
	c.push = frame("runtime.asyncPreempt") + pushed
	c.below = frame("runtime.asyncPreempt2")
	return c.preempt.entry != 0 && c.below > 0
}

// search finds the goroutines that were interrupted in a window: an aligned word
// that is a window's pc, which is no return address since no window follows a
// call, at the bottom of a frame of asyncPreempt's.
func (c *corpse) search(ctx context.Context) (found []Interrupted, err error) {
	windows := map[uint64]*window.Window{}
	least, most := ^uint64(0), uint64(0)
	for i := range c.binary.Windows {
		w := &c.binary.Windows[i]
		windows[w.PC+c.moved] = w
		least, most = min(least, w.PC+c.moved), max(most, w.PC+c.moved)
	}
	if len(windows) == 0 {
		return nil, nil
	}
	err = c.file.Each(ctx, func(addr uint64, memory []byte) bool {
		for i := 0; i+8 <= len(memory); i += 8 {
			word := binary.LittleEndian.Uint64(memory[i:])
			if word-least > most-least {
				continue
			}
			if w := windows[word]; w != nil && len(found) < maxFound {
				if at := addr + uint64(i); c.inPreempt(at - uint64(c.below)) {
					found = append(found, c.describe(*w, at))
				}
			}
		}
		return true
	})
	if err != nil || len(found) == 0 {
		return found, err
	}
	return found, c.descriptors(ctx, found)
}

const maxFound = 256 // goroutines in windows

// inPreempt reports whether the word at an address is a pc in asyncPreempt.
func (c *corpse) inPreempt(addr uint64) bool {
	word, ok := c.word(addr)
	return ok && word >= c.preempt.entry && word < c.preempt.end
}

func (c *corpse) describe(w window.Window, at uint64) Interrupted {
	i := Interrupted{Window: w, At: at, SP: at + uint64(c.push)}
	// A frame has its return address at its bottom.
	i.Return, _ = c.word(i.SP)
	i.True, _ = c.word(i.SP - uint64(w.Claimed-w.Actual))
	return i
}

// Where a goroutine's descriptor has what, bytes (runtime/runtime2.go, type g;
// the same from Go 1.16 to 1.27).
const gSched = 56 // gobuf: sp, pc, g; a stack's bounds come first

// far is how far below the word that holds the interrupted pc a parked
// goroutine's saved stack pointer may be, bytes: the frames of asyncPreempt2 and
// what it calls.
const far = 1024

// descriptors finds the goroutines' descriptors: what begins with the bounds of
// a stack, and has its own address among the registers that it saves.
func (c *corpse) descriptors(ctx context.Context, found []Interrupted) error {
	left := len(found)
	least, most := ^uint64(0), uint64(0)
	for _, f := range found {
		least, most = min(least, f.At), max(most, f.At)
	}
	return c.file.Each(ctx, func(addr uint64, memory []byte) bool {
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
				if f.Hi != 0 || f.At < lo || f.At >= hi {
					continue
				}
				g := addr + uint64(i)
				if self, ok := c.word(g + gSched + 16); !ok || self != g {
					continue
				}
				sp, _ := c.word(g + gSched)
				f.Lo, f.Hi, f.Parked = lo, hi, sp < f.At && f.At-sp <= far
				c.identify(g, f)
				left--
			}
		}
		return left > 0
	})
}

// identify reads a goroutine's number, which stands three words after where its
// unwinding ends, behind a status that is one of a few.
func (c *corpse) identify(g uint64, f *Interrupted) {
	for at := g + gSched + 5*8; at < g+gSched+16*8; at += 8 {
		top, _ := c.word(at)
		status, _ := c.word(at + 16)
		if status &= 0xfff; top <= f.Hi && f.Hi-top < far && top > f.At && status >= 1 && status <= 10 {
			f.ID, _ = c.word(at + 24)
			return
		}
	}
}

// unwinders are the runtime's functions that walk a stack, and the pointer that
// they go by.
var unwinders = map[string]window.Class{
	"runtime.(*unwinder).next":           window.SP,
	"runtime.(*unwinder).finishInternal": window.SP,
	"runtime.gentraceback":               window.SP,
	"runtime.fpTracebackPCs":             window.FP,
	"runtime.traceStack":                 window.FP,
	"runtime.traceStackID":               window.FP,
}

// unwinding returns what a thread was unwinding by when it faulted, or gave up;
// or "". The thread that the kernel names need not be the one: the runtime has all
// threads print their stacks before it lets one of them end the process
// (runtime/signal_unix.go, sighandler).
func (c *corpse) unwinding() (class window.Class) {
	for _, t := range c.file.Threads {
		if isFault(t.Signal) {
			class = unwinders[c.name(t.PC)]
		}
		for sp, depth := t.SP, 0; class == "" && sp != 0 && depth < maxSignals; depth++ {
			class, sp = c.climb(sp &^ 7)
		}
		if class != "" {
			break
		}
	}
	return class
}

const (
	maxSignals = 4        // that are being handled on top of each other
	much       = 64 << 10 // bytes of a stack
)

func isFault(signal int) bool {
	return signal == core.SIGSEGV || signal == core.SIGBUS
}

// name returns the name of the function that holds an address, or "".
func (c *corpse) name(pc uint64) string {
	if pc < c.text.lo || pc >= c.text.hi || !c.spend(1) {
		return ""
	}
	fn, ok := c.binary.table.Find(pc - c.moved)
	if !ok {
		return ""
	}
	return fn.Name()
}

// Where a context that a signal interrupted has what, bytes before its PSTATE
// (Linux, arch/arm64: struct rt_sigframe, ucontext, sigcontext).
const (
	contextSP     = 16
	contextPC     = 8
	contextLR     = 24
	contextSignal = 8 + 31*8 + 8 + 8 + 176 + 128 // the number, a 32-bit word
)

// climb goes up a stack. It returns what an unwinder goes by that gave up there,
// or faulted; or else the stack pointer of the first context that a signal
// interrupted, where it left another stack.
func (c *corpse) climb(sp uint64) (class window.Class, interrupted uint64) {
	gaveUp := false
	stack, n := make([]byte, much), 0
	for more := 1; more > 0 && n < much && c.spend(64); n += more {
		more = c.file.Read(sp+uint64(n), stack[n:])
	}
	stack = stack[:n&^7]
	word := func(at int) uint64 {
		if at < 0 {
			w, _ := c.word(sp - uint64(-at))
			return w
		}
		return binary.LittleEndian.Uint64(stack[at:])
	}
	for at := 0; at < len(stack); at += 8 {
		w := word(at)
		switch name := c.name(w); {
		case name == "runtime.throw" || name == "runtime.fatal" || name == "runtime.sigpanic":
			gaveUp = true
		case gaveUp && unwinders[name] != "":
			return unwinders[name], 0
		}
		if w>>32 != 0 || w&0x1f != 0 || interrupted != 0 {
			continue // no PSTATE of a program's
		}
		of := word(at - contextSP)
		if name := c.name(word(at - contextPC)); name != "" && of%16 == 0 && c.name(word(at-contextLR)) != "" {
			if isFault(int(uint32(word(at-contextSignal)))) && unwinders[name] != "" {
				return unwinders[name], 0
			}
			if _, ok := c.word(of); ok {
				interrupted = of
			}
		}
	}
	return "", interrupted
}

func (c *corpse) interrupted(i Interrupted) string {
	who, state := "a goroutine", "was once interrupted at"
	if i.ID != 0 {
		who = fmt.Sprintf("goroutine %d", i.ID)
	}
	if i.Parked {
		state = "is in runtime.asyncPreempt, interrupted at"
	}
	return fmt.Sprintf("%s %s %s+%#x: %#x holds its pc %#x", who, state, i.Window.Func, i.Window.Offset(), i.At, i.Window.PC+c.moved)
}

func (c *corpse) taken(i Interrupted) string {
	if i.Window.Class == window.FP {
		return fmt.Sprintf("its frame pointer is %d bytes below the stack pointer at entry: neither its own frame's nor its caller's", i.Window.Actual)
	}
	return fmt.Sprintf("SP %#x: the unwinder takes [%#x,%#x) for the frame, and %s for the return address; that is at %#x: %s",
		i.SP, i.SP, i.SP+uint64(i.Window.Claimed), c.symbol(i.Return), i.SP-uint64(i.Window.Claimed-i.Window.Actual), c.symbol(i.True))
}

// symbol names an address.
func (c *corpse) symbol(addr uint64) string {
	if fn, ok := c.binary.table.Find(addr - c.moved); ok {
		return fmt.Sprintf("%s+%#x", fn.Name(), addr-c.moved-fn.Entry)
	}
	return fmt.Sprintf("%#x, no code", addr)
}
