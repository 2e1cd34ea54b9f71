package triage

import (
	"encoding/binary"

	"splitadd/internal/core"
	"splitadd/internal/window"
)

// unwinders are the functions of the runtime that unwind a stack, with the pointer that each
// follows.
var unwinders = map[string]window.Class{
	"runtime.(*unwinder).next":           window.SP,
	"runtime.(*unwinder).finishInternal": window.SP,
	"runtime.gentraceback":               window.SP,
	"runtime.fpTracebackPCs":             window.FP,
	"runtime.traceStack":                 window.FP,
	"runtime.traceStackID":               window.FP,
}

// unwoundBy returns the pointer that a thread followed to unwind a stack when it faulted or gave
// up, or "". It need not be the thread that the kernel names: the runtime makes all threads
// print their stacks before one of them ends the process (runtime/signal_unix.go, sighandler).
func (c *coreSearch) unwoundBy() (class window.Class) {
	for _, t := range c.file.Threads {
		if isFault(t.Signal) {
			class = unwinders[c.funcName(t.PC)]
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
	maxSignals     = 4        // signals that a thread handles at the same time
	maxSignalStack = 64 << 10 // bytes of a stack that are read
)

func isFault(signal int) bool {
	return signal == core.SIGSEGV || signal == core.SIGBUS
}

// Offsets in the context that a signal saves, in bytes before its PSTATE (Linux, arch/arm64:
// struct rt_sigframe, ucontext, sigcontext).
const (
	contextSP     = 16
	contextPC     = 8
	contextLR     = 24
	contextSignal = 8 + 31*8 + 8 + 8 + 176 + 128 // the number of the signal, a 32-bit word
)

// climb reads a stack upwards from sp. If an unwinder gave up or faulted there, it returns the
// pointer that the unwinder follows. Otherwise it returns the stack pointer of the first
// context that a signal saved on this stack, which may be on another stack, or 0.
func (c *coreSearch) climb(sp uint64) (class window.Class, interrupted uint64) {
	gaveUp := false
	stack, n := make([]byte, maxSignalStack), 0
	for more := 1; more > 0 && n < maxSignalStack && c.spend(64); n += more {
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
		switch name := c.funcName(w); {
		case name == "runtime.throw" || name == "runtime.fatal" || name == "runtime.sigpanic":
			gaveUp = true
		case gaveUp && unwinders[name] != "":
			return unwinders[name], 0
		}
		if w>>32 != 0 || w&0x1f != 0 || interrupted != 0 {
			continue // not the PSTATE of a user program
		}
		saved := word(at - contextSP)
		if name := c.funcName(word(at - contextPC)); name != "" && saved%16 == 0 && c.funcName(word(at-contextLR)) != "" {
			if isFault(int(uint32(word(at-contextSignal)))) && unwinders[name] != "" {
				return unwinders[name], 0
			}
			if _, ok := c.word(saved); ok {
				interrupted = saved
			}
		}
	}
	return "", interrupted
}
