package triage

import (
	"strings"

	"splitadd/internal/crash"
)

// instanceShown reports whether the log shows which instanceShown of a generic function was
// interrupted in the window. A goroutine trace prints one name for all, and a pc
// at an offset that another instanceShown has may be that one's. The unwinder, and the
// marks in a hexdump, name the instanceShown. Addresses tell as well: a loader moves them
// by pages.
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
