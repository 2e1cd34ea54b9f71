// Package crash tells apart the ways in which a Go program dies, from what it
// printed.
package crash

import (
	"fmt"
	"regexp"
	"strconv"

	"splitadd/internal/victim"
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

// Unwinding reports whether the process died while a stack was unwound, in a
// window or of what looks like one.
func (k Kind) Unwinding() bool { return k == SplitSP || k == SplitFP || k == Unwind }

// A Death is what a log says of a process's end.
type Death struct {
	Kind     Kind
	Evidence string // the line that tells, at most maxEvidence bytes
	// Window is where the goroutine was interrupted that could not be unwound;
	// nil where the log names no window. A Kind of SplitSP or SplitFP has one.
	Window *window.Window
	// ByPC is true where the log gives the interrupted pc itself, and false
	// where it gives the function alone, which has one window of the class.
	ByPC bool
}

const maxEvidence = 200

// A signature is a text that a way of dying leaves in the log.
type signature struct {
	name  string
	kind  Kind // of a death with this signature, if a window is found for the split kinds
	match *regexp.Regexp
}

// signatures in the order in which they are tried: the more telling come
// first. What a group of the pattern matches is the evidence, or the whole.
//
// Two threads may die at once, and what they print gets mixed: "fatal error: " and
// the text that follows it need not stand together.
//
// The texts are those of runtime/traceback.go (unwinder.finishInternal,
// unwinder.next; gentraceback before Go 1.21), runtime/tracestack.go
// (fpTracebackPCs), runtime/malloc.go and runtime/panic.go.
var signatures = []signature{
	{"wrong result", Corrupt, regexp.MustCompile(`(?m)^` + victim.Mark + `(corrupt result.*)$`)},
	{"freed object", Freed, regexp.MustCompile(`(?m)^` + victim.Mark + `(object freed in use.*)$`)},
	{"incomplete unwind", SplitSP, regexp.MustCompile(`fatal error: traceback did not unwind completely`)},
	{"non-code return pc", SplitSP, regexp.MustCompile(`(?s)(unexpected return pc for [^\n]*).*unknown caller pc`)},
	{"fault in the frame pointer unwinder", SplitFP, regexp.MustCompile(`(SIGSEGV: segmentation violation[^\n]*)\n[^\n]*\n(?:[^\n]*\n){0,4}runtime\.fpTracebackPCs\(`)},
	{"fault in the unwinder", SplitSP, regexp.MustCompile(`(SIGSEGV: segmentation violation[^\n]*)\n(?:[^\n]*\n){0,12}runtime\.(?:\(\*unwinder\)\.next|gentraceback)\(`)},
	{"out of memory", OutOfMemory, regexp.MustCompile(`fatal error: [^\n]*(?:out of memory|cannot allocate memory)[^\n]*`)},
	{"fatal error", OtherGo, regexp.MustCompile(`fatal error: [^\n]*`)},
	{"signal", OtherGo, regexp.MustCompile(`(?m)^SIG[A-Z]+: [^\n]*$`)},
	{"panic", OtherGo, regexp.MustCompile(`(?m)^panic: [^\n]*$`)},
}

// Classify says what the process died of whose output is given, and in which
// of the windows of its binary. A death is laid to a window only if the log
// says that a goroutine was interrupted there. Not every log does: a goroutine
// that another thread was about to resume while it was scanned is printed with
// that thread's stack instead of its own (runtime/traceback.go,
// tracebackothers), and the death is an unwind failure, no more.
func Classify(log []byte, windows []window.Window) Death {
	for _, s := range signatures {
		match := s.match.FindSubmatch(log)
		if match == nil {
			continue
		}
		d := Death{Kind: s.kind, Evidence: string(match[len(match)-1])}
		if len(d.Evidence) > maxEvidence {
			d.Evidence = d.Evidence[:maxEvidence]
		}
		class, split := map[Kind]window.Class{SplitSP: window.SP, SplitFP: window.FP}[s.kind]
		if !split {
			return d
		}
		if d.Window, d.ByPC = find(log, class, windows); d.Window == nil {
			d.Kind = Unwind
		}
		return d
	}
	return Death{}
}

// frame matches a frame of a goroutine trace: the function, and the offset of
// its pc from its entry. The offset of a caller is that of its return address,
// which is never a window's: no window follows a call.
var frame = regexp.MustCompile(`(?m)^([^\s()][^\n]*)\([^\n]*\)\n\s+[^\n]*:[0-9]+ \+0x([0-9a-f]+)`)

// marked matches what a hexdump of the stack says of a word that is a pc, from
// Go 1.26 on below it, and before that beside it.
var marked = regexp.MustCompile(`<([^<>\n]+)\+0x([0-9a-f]+)>`)

// named matches the function that the unwinder was in when it found a word
// that is no return address.
var named = regexp.MustCompile(`unexpected return pc for ([^\n]+) called from`)

// find returns the window of a class in which the log says a goroutine was
// interrupted.
func find(log []byte, class window.Class, windows []window.Window) (w *window.Window, byPC bool) {
	for _, pattern := range []*regexp.Regexp{frame, marked} {
		for _, m := range pattern.FindAllSubmatch(log, -1) {
			offset, err := strconv.ParseUint(string(m[2]), 16, 64)
			if err != nil {
				continue
			}
			for i := range windows {
				w := &windows[i]
				if w.Preemptible && w.Class == class && w.Func == string(m[1]) && w.Offset() == offset {
					return w, true
				}
			}
		}
	}
	// Before Go 1.21 the runtime dies again while it prints the goroutine. The
	// function is the innermost that was unwound, and nothing but an interrupt
	// leaves a leaf's, or a popped, frame without a return address.
	if m := named.FindSubmatch(log); m != nil {
		for i := range windows {
			if c := &windows[i]; c.Preemptible && c.Class == class && c.Func == string(m[1]) {
				if w != nil {
					return nil, false
				}
				w = c
			}
		}
	}
	return w, false
}

func (d Death) String() string {
	if d.Window == nil {
		return fmt.Sprintf("%s: %s", d.Kind, d.Evidence)
	}
	return fmt.Sprintf("%s at %s+%#x: %s", d.Kind, d.Window.Func, d.Window.Offset(), d.Evidence)
}
