package crash

import (
	"bytes"
	"regexp"

	"splitadd/internal/crash/syntax"
)

// An open crash is one of which more may come.
type open struct {
	Log
	told   bool        // its lines are those of a crash
	traced bool        // it has a goroutine, or a frame
	ended  syntax.Kind // of the line that says what it is, or None
	dying  bool        // the runtime has died once more, while it printed
	stuck  bool        // it has said that it cannot unwind a stack
	raised bool        // other threads have been made to print their stacks
	indent int         // of its first line
	quiet  int         // lines since the last of a crash
}

// maxQuiet is how many other lines of its source may stand in a crash.
const maxQuiet = 400

// take adds line i to the crash that is open, or begins one.
func (s *stream) take(lines []line, i int) {
	l := lines[i]
	switch {
	case l.kind.Header() && (s.open == nil || s.begins(lines, i)):
		s.end()
		s.open = &open{Log: Log{Line: l.at}, indent: indent(l.text)}
	case s.open == nil && startsInside(l):
		s.open = &open{Log: Log{Line: l.at, Headless: true}, indent: indent(l.text)}
	case s.open == nil:
		return
	}
	o := s.open
	o.look(lines, i)
	o.Line = min(o.Line, l.at)
	if len(o.Text)+len(l.text) < maxLog {
		text := l.text
		text = text[min(o.indent, indent(text)):]
		o.Text = append(append(o.Text, text...), '\n')
	} else {
		o.Truncated = true
	}
	if o.quiet > maxQuiet {
		s.end()
	}
}

// look notes what a line says of the crash that it belongs to.
func (o *open) look(lines []line, i int) {
	l := lines[i]
	if o.quiet++; l.kind != syntax.None {
		o.quiet = 0
	}
	o.told = o.told || l.tells
	switch l.kind {
	case syntax.Goroutine, syntax.Location:
		o.traced = true
	case syntax.Dying:
		o.dying = true
	case syntax.Note:
		o.stuck = o.stuck || isStuck(l.text)
	case syntax.Separator:
		o.raised = true
	case syntax.Fatal, syntax.Signal, syntax.Panic:
		o.ended = l.kind
	}
}

// tells reports whether only a Go process that dies prints a line.
func tells(l line) bool {
	switch l.kind {
	case syntax.Goroutine, syntax.Stack, syntax.PC, syntax.Bracket:
		return true
	case syntax.Call:
		return startsInside(l)
	case syntax.Note:
		return telling.Match(l.text)
	case syntax.Fatal:
		return fatal.Match(l.text) && !compiler.Match(l.text)
	case syntax.Signal:
		return signalled.Match(l.text)
	}
	return false
}

func indent(text []byte) int { return len(text) - len(syntax.Trim(text)) }

// startsInside reports whether a line can only be of a crash whose beginning is not
// there.
func startsInside(l line) bool {
	switch l.kind {
	case syntax.Goroutine, syntax.Stack:
		return true
	case syntax.PC:
		return bytes.Contains(l.text, []byte("sigcode="))
	case syntax.Call:
		return bytes.HasPrefix(l.text, []byte("runtime.asyncPreempt")) || bytes.HasPrefix(l.text, []byte("runtime.throw("))
	}
	return false
}

var (
	// telling matches a line that no process prints but a Go runtime that dies.
	telling = regexp.MustCompile(`^runtime: (?:g ?[0-9]+: |unexpected return pc |traceback stuck|goroutine stack exceeds|out of memory|pointer |marked free object|bad pointer|split stack|failed to create new OS thread)`)
	// fatal matches what the runtime says when it dies: words of its own trade.
	fatal = regexp.MustCompile(`^fatal(?: error)?: .*(?:\b(?:runtime|goroutines?|concurrent map|traceback|unknown caller pc|(?:stack|heap) (?:overflow|size|growth)|unexpected signal|out of memory|cannot allocate memory|sync: |morestack|bad g|bad m|[mg]span|mheap|mcache|mcentral|g0|gsignal|gc|sweep\w*|mark\w*|scan\w*|heap|invalid pointer|bad pointer|free object|semaphore|lock|unlock|lfstack\w*|work\w*buf|acquirep|releasep|schedule|exitsyscall|entersyscall|systemstack|newosproc|notesleep|futex\w*|netpoll|timer\w*|defer|recover|panic|malloc|stackalloc|casgstatus|nil context|fault|index out of range|invalid p state|cgo\w*|signal|thread exhaustion|self deadlock|deadlock!?)|found bad|checkptr)`)
	// signalled matches what the runtime calls the signals that it dies of.
	signalled = regexp.MustCompile(`^(?:SIG(?:SEGV: segmentation violation|BUS: bus error|ILL: illegal instruction|SYS: bad system call|ABRT: abort|TRAP: trace trap|FPE: floating-point exception|QUIT: quit)|Exception 0x[0-9a-f]+ 0x)`)
	// compiler matches what others say with the same first words.
	compiler = regexp.MustCompile(`No such file|file not found|errors emitted|printer`)
	// thrown matches what the runtime says after a line about what it was unwinding.
	thrown = regexp.MustCompile(`^fatal error: (?:traceback did not unwind completely|unknown caller pc|traceback stuck)`)
	// exit matches what others say of a process that has ended.
	exit = regexp.MustCompile(`(?i)\bexit(?:ed)?(?: status| with| code)|\bexited\b|\brestart|\bstarted\b|\bstarting\b`)
)

// begins reports whether a header, line i, is of another process than the crash
// that is open.
func (s *stream) begins(lines []line, i int) bool {
	o, l := s.open, lines[i]
	before, near := previous(lines, i)
	if o.dies(lines, i) && !exit.Match(before.text) {
		return false
	}
	if near && before.kind == syntax.Goroutine { // it dies of the frames to come
		return false
	}
	switch l.kind {
	case syntax.Bracket: // follows another header
		return o.traced && !before.kind.Header() && before.kind != syntax.Dying
	case syntax.Note:
		// Before the first frame more than one thread may say that it cannot unwind.
		return (o.traced || o.ended != syntax.None && !isStuck(l.text) && !near) && diesNext(lines[i+1:])
	case syntax.Signal:
		if o.raised || o.traced && i+1 < len(lines) && bytes.Contains(lines[i+1].text, []byte("sigcode=18446744073709551610")) {
			return false // of another thread
		}
		return o.traced || o.ended != syntax.None && !(near && before.kind.Header())
	case syntax.Panic:
		if !o.traced && indent(l.text) > o.indent || before.kind == syntax.Panic && bytes.Contains(before.text, []byte("[recovered")) {
			return false // the next of those that were being handled
		}
		if near && o.traced && (o.Headless || o.ended == syntax.Panic) && bytes.Contains(l.text, []byte("[recovered")) && before.kind >= syntax.Goroutine {
			return false // what was printed when it was recovered
		}
	case syntax.Fatal:
		if thrown.Match(l.text) {
			return exit.Match(before.text)
		}
		if near && o.stuck && before.kind == syntax.Location && hasAny(l.text, "unexpected signal") {
			return false // it dies in the middle of a stack that it cannot unwind
		}
	}
	// Two threads may die at once.
	return o.traced || o.ended != syntax.None && !(near && (before.kind == l.kind || before.kind == syntax.Note))
}

// isStuck reports whether a note says that a stack cannot be unwound.
func isStuck(note []byte) bool {
	return hasAny(note, "unexpected return pc for ", ": frame.sp=", "traceback stuck")
}

// previous returns the last line before line i that is not blank, and whether it is
// the one before.
func previous(lines []line, i int) (l line, near bool) {
	for j := i - 1; j >= max(0, i-lookBack); j-- {
		if len(lines[j].text) > 0 {
			return lines[j], j == i-1
		}
	}
	return line{}, false
}

// dies reports whether a header is of a process that dies once more while it
// prints: a runtime says so, once.
func (o *open) dies(lines []line, i int) bool {
	if l, _ := previous(lines, i); l.kind == syntax.Dying {
		return true
	}
	if o.dying {
		return false
	}
	for _, l := range lines[i:min(len(lines), i+4)] {
		if l.kind == syntax.Dying {
			return true
		}
	}
	return false
}

// diesNext reports whether a process dies of what the lines before say: whether one
// that says what it dies of comes before a frame.
func diesNext(lines []line) bool {
	for i, l := range lines {
		switch {
		case l.kind.Ends():
			for _, l := range lines[i:min(len(lines), i+4)] {
				if l.kind == syntax.Dying {
					return false
				}
			}
			return true
		case l.kind == syntax.Goroutine || l.kind == syntax.Stack || l.kind == syntax.Location || l.kind == syntax.Call:
			return false
		}
	}
	return false
}
