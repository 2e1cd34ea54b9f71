package triage

import (
	"encoding/binary"

	"splitadd/internal/core"
	"splitadd/internal/window"
)

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

// unwoundBy returns what a thread was unwoundBy by when it faulted, or gave up;
// or "". The thread that the kernel names need not be the one: the runtime has all
// threads print their stacks before it lets one of them end the process
// (runtime/signal_unix.go, sighandler).
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
	maxSignals     = 4        // that are being handled on top of each other
	maxSignalStack = 64 << 10 // bytes of a stack
)

func isFault(signal int) bool {
	return signal == core.SIGSEGV || signal == core.SIGBUS
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
			continue // no PSTATE of a program's
		}
		of := word(at - contextSP)
		if name := c.funcName(word(at - contextPC)); name != "" && of%16 == 0 && c.funcName(word(at-contextLR)) != "" {
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
