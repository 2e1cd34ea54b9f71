// Package crash says what a Go program died of, from what it printed.
//
// Find reads a log and returns the crashes in it, each with its goroutines. Unwrap has
// taken off what log collectors add. Classify compares the text of a crash with an
// ordered table, Causes; the first entry that matches is the cause. Given a binary's
// windows, it also says in which window the goroutine was interrupted, if the log
// shows it.
package crash

import (
	"fmt"
	"strconv"
	"strings"

	"splitadd/internal/crash/pattern"
	"splitadd/internal/window"
)

// A Kind is what a process died of. The zero value means that nothing in its
// output says so.
type Kind string

const (
	SplitSP     Kind = "split SP"       // unwound from a window of the stack pointer
	SplitFP     Kind = "split FP"       // unwound from a window of the frame pointer
	Unwind      Kind = "unwind failure" // looks like one of these, and the log names no window
	OutOfMemory Kind = "out of memory"
	Corrupt     Kind = "corrupt result"      // a victim computed something wrong
	Freed       Kind = "object freed in use" // a victim held it
	OtherGo     Kind = "other Go fatal error"
)

// WhileUnwinding reports whether the process died while a stack was unwound, in a
// window or of what looks like one.
func (k Kind) WhileUnwinding() bool { return k == SplitSP || k == SplitFP || k == Unwind }

// SplitKind returns the kind of a death in a window of a class.
func SplitKind(class window.Class) Kind {
	if class == window.FP {
		return SplitFP
	}
	return SplitSP
}

// A Death is what a log says of a process's end.
type Death struct {
	Kind     Kind
	Cause    *Cause // the first of the table that the log has; nil if it has none
	Evidence string // the line that tells, at most maxEvidence bytes
	// Window is where the goroutine was interrupted that could not be unwound;
	// nil where the log names no window. A Kind of SplitSP or SplitFP has one.
	Window *window.Window
	// ByPC is true where the log gives the interrupted pc itself, and false
	// where it gives the function alone, which has one window of the class.
	ByPC bool
}

const maxEvidence = 200

// Classify says what the process died of whose output is given, and in which
// of the windows of its binary. A death is laid to a window only if the log
// says that a goroutine was interrupted there. Not every log does: a goroutine
// that another thread was about to resume while it was scanned is printed with
// that thread's stack instead of its own (runtime/traceback.go,
// tracebackothers), and the death is an unwind failure, no more.
func Classify(log []byte, windows []window.Window) Death {
	f := FactsOf(log)
	return f.Classify(windows)
}

// Classify says what the process died of; see the function.
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

// markedSymbol matches what a hexdump of the stack says of a word that is a pc, from
// Go 1.26 on below it, and before that beside it.
var markedSymbol = pattern.New(`<([^<>\n]+)\+0x([0-9a-f]+)>`)

// unexpectedReturn matches the function that the unwinder was in when it found a word
// that is no return address.
var unexpectedReturn = pattern.New(`unexpected return pc for ([^\n]+) called from`)

// interruptedIn returns the window of a class in which the log says a goroutine was
// interrupted. The offset of a caller is that of its return address, which is
// never a window's: no window follows a call.
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
	// Before Go 1.21 the runtime dies again while it prints the goroutine. The
	// function is the innermost that was unwound, and nothing but an interrupt
	// leaves a leaf's, or a popped, frame without a return address.
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
// arguments (runtime/traceback.go, printFuncName). What the unwinder says when it
// gives up, and the marks in a hexdump of a stack, have the whole name.
func PrintedName(name string) string {
	if name == "runtime.gopanic" {
		return "panic"
	}
	if from, to := strings.IndexByte(name, '['), strings.LastIndexByte(name, ']'); from >= 0 && from < to {
		return name[:from] + "[...]" + name[to+1:]
	}
	return name
}

// SameFunc reports whether what a log prints names a function of a function table.
func SameFunc(logged, function string) bool {
	return logged == function || logged == PrintedName(function)
}

func (d Death) String() string {
	if d.Window == nil {
		return fmt.Sprintf("%s: %s", d.Kind, d.Evidence)
	}
	return fmt.Sprintf("%s at %s+%#x: %s", d.Kind, d.Window.Func, d.Window.Offset(), d.Evidence)
}
