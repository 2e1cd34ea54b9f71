package triage

import (
	"strings"

	"splitadd/internal/crash"
)

// instanceShown reports whether the log shows which instance of a generic function was
// interrupted in the window. A goroutine trace prints the same name for all instances. If
// another instance has an instruction at the same offset, the trace may be about that one. The
// unwinder's messages, and the symbols in a hexdump, name the instance. So does an address,
// because a loader moves code by whole pages.
func (l *logCase) instanceShown() bool {
	w := l.death.Window
	fns := l.binary.funcs[crash.PrintedName(w.Func)]
	if u := l.facts.Unwinder; len(fns) < 2 || u != nil && u.Func == w.Func || strings.Contains(l.text, "<"+w.Func+"+0x") {
		return true
	}
	shown := false
	for _, f := range l.facts.Frames {
		if f.HasOffset && f.PC != 0 && f.Offset == w.Offset() && crash.SameFunc(f.Func, w.Func) {
			shown = (f.PC-w.PC)%4096 == 0
		}
	}
	for _, fn := range fns {
		if fn.Name() == w.Func || w.Offset() >= fn.End-fn.Entry {
			continue
		}
		if !shown || (fn.Entry-w.Entry)%4096 == 0 {
			return false
		}
	}
	return true
}
