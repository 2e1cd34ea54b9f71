// Package crash says what a Go program died of, from what it printed.
//
// Find reads a log and returns the crashes in it, each with its goroutines. It reads the
// log through package unwrap, which removes what log collectors add to each line.
// Classify compares the text of a crash with an ordered table, Causes. The first entry
// that matches is the cause. If Classify is given the windows of the binary, it also
// returns the window in which the goroutine was interrupted, if the log shows it.
package crash

import (
	"fmt"
	"strconv"
	"strings"

	"splitadd/internal/crash/pattern"
	"splitadd/internal/window"
)

// A Kind is what a process died of. The zero value means that its output does not say.
type Kind string

const (
	SplitSP     Kind = "split SP"       // a goroutine in a window of the stack pointer was unwound
	SplitFP     Kind = "split FP"       // a goroutine in a window of the frame pointer was unwound
	Unwind      Kind = "unwind failure" // looks like a split, but the log names no window
	OutOfMemory Kind = "out of memory"
	Corrupt     Kind = "corrupt result"      // a victim computed a wrong result
	Freed       Kind = "object freed in use" // an object that a victim held was freed
	OtherGo     Kind = "other Go fatal error"
)

// WhileUnwinding reports whether the process died while the runtime unwound a stack.
func (k Kind) WhileUnwinding() bool { return k == SplitSP || k == SplitFP || k == Unwind }

// SplitKind returns the kind of a death in a window of the given class.
func SplitKind(class window.Class) Kind {
	if class == window.FP {
		return SplitFP
	}
	return SplitSP
}

// A Death is what a log says about how a process ended.
type Death struct {
	Kind     Kind
	Cause    *Cause // the first entry of Causes that matches the log, or nil
	Evidence string // the line of the log that matched, at most maxEvidence bytes
	// Window is the window in which the goroutine that could not be unwound was
	// interrupted. It is nil if the log names no window. If Kind is SplitSP or SplitFP,
	// it is not nil.
	Window *window.Window
	// ByPC is true if the log has the interrupted pc. It is false if the log names only
	// the function, and the function has a single window of the class.
	ByPC bool
}

const maxEvidence = 200

// Classify says what a process died of, from what it printed and the windows of its
// binary. A death is attributed to a window only if the log says that a goroutine was
// interrupted there. Some logs do not say it. If another thread was about to resume the
// goroutine while it was scanned, the runtime prints that thread's stack instead of the
// goroutine's own (runtime/traceback.go, tracebackothers). The kind of the death is then
// Unwind.
func Classify(log []byte, windows []window.Window) Death {
	f := FactsOf(log)
	return f.Classify(windows)
}

// Classify is like the function Classify, for the log that the facts are of.
func (f *Facts) Classify(windows []window.Window) Death {
	for i := range Causes {
		c := &Causes[i]
		evidence, ok := c.matches(f)
		if !ok {
			continue
		}
		d := Death{Kind: c.Kind, Cause: c, Evidence: evidence}
		if len(d.Evidence) > maxEvidence {
			d.Evidence = d.Evidence[:maxEvidence]
		}
		if c.Class != "" {
			if d.Window, d.ByPC = f.interruptedIn(c.Class, windows); d.Window != nil {
				d.Kind = SplitKind(c.Class)
			}
		}
		return d
	}
	return Death{}
}

// markedSymbol matches the symbol that a hexdump of a stack prints for a word that is a
// pc. Since Go 1.26 the symbol is below the word, and before Go 1.26 beside it.
var markedSymbol = pattern.New(`<([^<>\n]+)\+0x([0-9a-f]+)>`)

// unexpectedReturn matches the function whose return address the unwinder did not
// recognize.
var unexpectedReturn = pattern.New(`unexpected return pc for ([^\n]+) called from`)

// interruptedIn returns the window of a class in which a goroutine was interrupted,
// according to the log. A caller's offset in the log is that of a return address. It is
// never the offset of a window, because no window follows a call.
func (f *Facts) interruptedIn(class window.Class, windows []window.Window) (w *window.Window, byPC bool) {
	at := func(function string, offset uint64) *window.Window {
		for i := range windows {
			if w := &windows[i]; w.Preemptible && w.Class == class && w.Offset() == offset && SameFunc(function, w.Func) {
				return w
			}
		}
		return nil
	}
	for _, frame := range f.Frames {
		if w = at(frame.Func, frame.Offset); w != nil && frame.HasOffset {
			return w, true
		}
	}
	for _, m := range markedSymbol.FindAllSubmatch(f.log, -1) {
		if offset, err := strconv.ParseUint(string(m[2]), 16, 64); err == nil {
			if w = at(string(m[1]), offset); w != nil {
				return w, true
			}
		}
	}
	// Before Go 1.21 the runtime dies again while it prints the goroutine. Then the log
	// names only the innermost function. A leaf function, or one that has popped its
	// frame, lacks a return address only if it was interrupted.
	w = nil
	if m := unexpectedReturn.FindSubmatch(f.log); m != nil {
		for i := range windows {
			if c := &windows[i]; c.Preemptible && c.Class == class && SameFunc(string(m[1]), c.Func) {
				if w != nil {
					return nil, false
				}
				w = c
			}
		}
	}
	return w, false
}

// PrintedName returns a function's name as goroutine traces print it, without type
// arguments (runtime/traceback.go, printFuncName). The unwinder's messages and the
// symbols in a hexdump of a stack have the whole name.
func PrintedName(name string) string {
	if name == "runtime.gopanic" {
		return "panic"
	}
	if from, to := strings.IndexByte(name, '['), strings.LastIndexByte(name, ']'); from >= 0 && from < to {
		return name[:from] + "[...]" + name[to+1:]
	}
	return name
}

// SameFunc reports whether a name in a log, with or without type arguments, is that of a
// function in a function table.
func SameFunc(logged, function string) bool {
	return logged == function || logged == PrintedName(function)
}

func (d Death) String() string {
	if d.Window == nil {
		return fmt.Sprintf("%s: %s", d.Kind, d.Evidence)
	}
	return fmt.Sprintf("%s at %s+%#x: %s", d.Kind, d.Window.Func, d.Window.Offset(), d.Evidence)
}
