package crash

import (
	"bytes"
	"regexp"

	"splitadd/internal/crash/syntax"
)

// An openCrash crash is one of which more may come.
type openCrash struct {
	Log
	isCrash      bool        // its lines are those of a crash
	hasStack     bool        // it has a goroutine, or a frame
	diedOf       syntax.Kind // of the line that says what it is, or None
	diedAgain    bool        // the runtime has died once more, while it printed
	unwindFailed bool        // it has said that it cannot unwind a stack
	otherThreads bool        // other threads have been made to print their stacks
	indent       int         // of its first line
	otherLines   int         // lines since the last of a crash
}

// maxOtherLines is how many other lines of its source may stand in a crash.
const maxOtherLines = 400

// consume adds line i to the crash that is open, or begins one.
func (s *stream) consume(lines []line, i int) {
	l := lines[i]
	switch {
	case l.kind.CanBeginCrash() && (s.crash == nil || s.beginsAnother(lines, i)):
		s.endCrash()
		s.crash = &openCrash{Log: Log{Line: l.number}, indent: indent(l.text)}
	case s.crash == nil && startsMidCrash(l):
		s.crash = &openCrash{Log: Log{Line: l.number, Headless: true}, indent: indent(l.text)}
	case s.crash == nil:
		return
	}
	o := s.crash
	o.note(lines, i)
	o.Line = min(o.Line, l.number)
	if len(o.Text)+len(l.text) < maxLog {
		text := l.text
		text = text[min(o.indent, indent(text)):]
		o.Text = append(append(o.Text, text...), '\n')
	} else {
		o.Truncated = true
	}
	if o.otherLines > maxOtherLines {
		s.endCrash()
	}
}

// note notes what a line says of the crash that it belongs to.
func (o *openCrash) note(lines []line, i int) {
	l := lines[i]
	if o.otherLines++; l.kind != syntax.None {
		o.otherLines = 0
	}
	o.isCrash = o.isCrash || l.provesCrash
	switch l.kind {
	case syntax.Goroutine, syntax.Location:
		o.hasStack = true
	case syntax.DiedAgain:
		o.diedAgain = true
	case syntax.RuntimeNote:
		o.unwindFailed = o.unwindFailed || saysUnwindFailed(l.text)
	case syntax.Separator:
		o.otherThreads = true
	case syntax.Fatal, syntax.Signal, syntax.Panic:
		o.diedOf = l.kind
	}
}

// provesCrash reports whether only a Go process that dies prints a line.
func provesCrash(l line) bool {
	switch l.kind {
	case syntax.Goroutine, syntax.RuntimeStack, syntax.PC, syntax.SignalBracket:
		return true
	case syntax.Call:
		return startsMidCrash(l)
	case syntax.RuntimeNote:
		return dyingNote.Match(l.text)
	case syntax.Fatal:
		return runtimeFatal.Match(l.text) && !otherFatal.Match(l.text)
	case syntax.Signal:
		return runtimeSignal.Match(l.text)
	}
	return false
}

func indent(text []byte) int { return len(text) - len(syntax.Trim(text)) }

// startsMidCrash reports whether a line can only be of a crash whose beginning is not
// there.
func startsMidCrash(l line) bool {
	switch l.kind {
	case syntax.Goroutine, syntax.RuntimeStack:
		return true
	case syntax.PC:
		return bytes.Contains(l.text, []byte("sigcode="))
	case syntax.Call:
		return bytes.HasPrefix(l.text, []byte("runtime.asyncPreempt")) || bytes.HasPrefix(l.text, []byte("runtime.throw("))
	}
	return false
}

var (
	// dyingNote matches a line that no process prints but a Go runtime that dies.
	dyingNote = regexp.MustCompile(`^runtime: (?:g ?[0-9]+: |unexpected return pc |traceback stuck|goroutine stack exceeds|out of memory|pointer |marked free object|bad pointer|split stack|failed to create new OS thread)`)
	// runtimeFatal matches what the runtime says when it dies: words of its own trade.
	runtimeFatal = regexp.MustCompile(`^fatal(?: error)?: .*(?:\b(?:runtime|goroutines?|concurrent map|traceback|unknown caller pc|(?:stack|heap) (?:overflow|size|growth)|unexpected signal|out of memory|cannot allocate memory|sync: |morestack|bad g|bad m|[mg]span|mheap|mcache|mcentral|g0|gsignal|gc|sweep\w*|mark\w*|scan\w*|heap|invalid pointer|bad pointer|free object|semaphore|lock|unlock|lfstack\w*|work\w*buf|acquirep|releasep|schedule|exitsyscall|entersyscall|systemstack|newosproc|notesleep|futex\w*|netpoll|timer\w*|defer|recover|panic|malloc|stackalloc|casgstatus|nil context|fault|index out of range|invalid p state|cgo\w*|signal|thread exhaustion|self deadlock|deadlock!?)|found bad|checkptr)`)
	// runtimeSignal matches what the runtime calls the signals that it dies of.
	runtimeSignal = regexp.MustCompile(`^(?:SIG(?:SEGV: segmentation violation|BUS: bus error|ILL: illegal instruction|SYS: bad system call|ABRT: abort|TRAP: trace trap|FPE: floating-point exception|QUIT: quit)|Exception 0x[0-9a-f]+ 0x)`)
	// otherFatal matches what others say with the same first words.
	otherFatal = regexp.MustCompile(`No such file|file not found|errors emitted|printer`)
	// unwinderFatal matches what the runtime says after a line about what it was unwinding.
	unwinderFatal = regexp.MustCompile(`^fatal error: (?:traceback did not unwind completely|unknown caller pc|traceback stuck)`)
	// processEnd matches what others say of a process that has ended.
	processEnd = regexp.MustCompile(`(?i)\bexit(?:ed)?(?: status| with| code)|\bexited\b|\brestart|\bstarted\b|\bstarting\b`)
)

// beginsAnother reports whether a header, line i, is of another process than the crash
// that is open.
func (s *stream) beginsAnother(lines []line, i int) bool {
	o, l := s.crash, lines[i]
	before, near := previousLine(lines, i)
	if o.diesAgain(lines, i) && !processEnd.Match(before.text) {
		return false
	}
	if near && before.kind == syntax.Goroutine { // it dies of the frames to come
		return false
	}
	switch l.kind {
	case syntax.SignalBracket: // follows another header
		return o.hasStack && !before.kind.CanBeginCrash() && before.kind != syntax.DiedAgain
	case syntax.RuntimeNote:
		// Before the first frame more than one thread may say that it cannot unwind.
		return (o.hasStack || o.diedOf != syntax.None && !saysUnwindFailed(l.text) && !near) && deathFollows(lines[i+1:])
	case syntax.Signal:
		if o.otherThreads || o.hasStack && i+1 < len(lines) && bytes.Contains(lines[i+1].text, []byte("sigcode=18446744073709551610")) {
			return false // of another thread
		}
		return o.hasStack || o.diedOf != syntax.None && !(near && before.kind.CanBeginCrash())
	case syntax.Panic:
		if !o.hasStack && indent(l.text) > o.indent || before.kind == syntax.Panic && bytes.Contains(before.text, []byte("[recovered")) {
			return false // the next of those that were being handled
		}
		if near && o.hasStack && (o.Headless || o.diedOf == syntax.Panic) && bytes.Contains(l.text, []byte("[recovered")) && before.kind >= syntax.Goroutine {
			return false // what was printed when it was recovered
		}
	case syntax.Fatal:
		if unwinderFatal.Match(l.text) {
			return processEnd.Match(before.text)
		}
		if near && o.unwindFailed && before.kind == syntax.Location && syntax.HasAny(l.text, "unexpected signal") {
			return false // it dies in the middle of a stack that it cannot unwind
		}
	}
	// Two threads may die at once.
	return o.hasStack || o.diedOf != syntax.None && !(near && (before.kind == l.kind || before.kind == syntax.RuntimeNote))
}

// saysUnwindFailed reports whether a note says that a stack cannot be unwound.
func saysUnwindFailed(note []byte) bool {
	return syntax.HasAny(note, "unexpected return pc for ", ": frame.sp=", "traceback stuck")
}

// previousLine returns the last line before line i that is not blank, and whether it is
// the one before.
func previousLine(lines []line, i int) (l line, near bool) {
	for j := i - 1; j >= max(0, i-lookBack); j-- {
		if len(lines[j].text) > 0 {
			return lines[j], j == i-1
		}
	}
	return line{}, false
}

// diesAgain reports whether a header is of a process that diesAgain once more while it
// prints: a runtime says so, once.
func (o *openCrash) diesAgain(lines []line, i int) bool {
	if l, _ := previousLine(lines, i); l.kind == syntax.DiedAgain {
		return true
	}
	if o.diedAgain {
		return false
	}
	for _, l := range lines[i:min(len(lines), i+4)] {
		if l.kind == syntax.DiedAgain {
			return true
		}
	}
	return false
}

// deathFollows reports whether a process dies of what the lines before say: whether one
// that says what it dies of comes before a frame.
func deathFollows(lines []line) bool {
	for i, l := range lines {
		switch {
		case l.kind.NamesDeath():
			for _, l := range lines[i:min(len(lines), i+4)] {
				if l.kind == syntax.DiedAgain {
					return false
				}
			}
			return true
		case l.kind == syntax.Goroutine || l.kind == syntax.RuntimeStack || l.kind == syntax.Location || l.kind == syntax.Call:
			return false
		}
	}
	return false
}
