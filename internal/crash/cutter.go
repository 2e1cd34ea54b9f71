package crash

import (
	"bytes"
	"regexp"

	"splitadd/internal/crash/syntax"
)

// An openCrash is a crash that may have more lines.
type openCrash struct {
	Log
	isCrash      bool        // at least one of its lines proves that it is a crash
	hasStack     bool        // it has the first line of a goroutine, or a location
	diedOf       syntax.Kind // the kind of the line that names the death, or None
	diedAgain    bool        // the runtime has said that it died again while it printed
	unwindFailed bool        // the runtime has said that it cannot unwind a stack
	otherThreads bool        // the runtime has begun to print the stacks of other threads
	indent       int         // the white space before its first line, bytes
	otherLines   int         // lines since the last that the runtime prints
}

// maxOtherLines is how many lines in a row may be something else without ending a crash.
const maxOtherLines = 400

// consume adds line i to the open crash, or opens a crash with it. If the line belongs to
// no crash, consume ignores it.
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

// note records what line i says about the crash.
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

// provesCrash reports whether a line is only printed by a Go process that dies.
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

// startsMidCrash reports whether a line belongs to a crash even if the beginning of the crash
// is missing.
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
	// dyingNote matches a RuntimeNote that is only printed by a Go runtime that dies.
	dyingNote = regexp.MustCompile(`^runtime: (?:g ?[0-9]+: |unexpected return pc |traceback stuck|goroutine stack exceeds|out of memory|pointer |marked free object|bad pointer|split stack|failed to create new OS thread)`)
	// runtimeFatal matches a fatal error whose text has words that the Go runtime uses.
	runtimeFatal = regexp.MustCompile(`^fatal(?: error)?: .*(?:\b(?:runtime|goroutines?|concurrent map|traceback|unknown caller pc|(?:stack|heap) (?:overflow|size|growth)|unexpected signal|out of memory|cannot allocate memory|sync: |morestack|bad g|bad m|[mg]span|mheap|mcache|mcentral|g0|gsignal|gc|sweep\w*|mark\w*|scan\w*|heap|invalid pointer|bad pointer|free object|semaphore|lock|unlock|lfstack\w*|work\w*buf|acquirep|releasep|schedule|exitsyscall|entersyscall|systemstack|newosproc|notesleep|futex\w*|netpoll|timer\w*|defer|recover|panic|malloc|stackalloc|casgstatus|nil context|fault|index out of range|invalid p state|cgo\w*|signal|thread exhaustion|self deadlock|deadlock!?)|found bad|checkptr)`)
	// runtimeSignal matches the descriptions that the Go runtime prints for signals.
	runtimeSignal = regexp.MustCompile(`^(?:SIG(?:SEGV: segmentation violation|BUS: bus error|ILL: illegal instruction|SYS: bad system call|ABRT: abort|TRAP: trace trap|FPE: floating-point exception|QUIT: quit)|Exception 0x[0-9a-f]+ 0x)`)
	// otherFatal matches fatal errors of other programs, such as C compilers.
	otherFatal = regexp.MustCompile(`No such file|file not found|errors emitted|printer`)
	// unwinderFatal matches the fatal errors that follow a message of the unwinder.
	unwinderFatal = regexp.MustCompile(`^fatal error: (?:traceback did not unwind completely|unknown caller pc|traceback stuck)`)
	// processEnd matches what other programs print when a process has ended or starts.
	processEnd = regexp.MustCompile(`(?i)\bexit(?:ed)?(?: status| with| code)|\bexited\b|\brestart|\bstarted\b|\bstarting\b`)
)

// beginsAnother reports whether line i, which can begin a crash, begins another crash than
// the open one.
func (s *stream) beginsAnother(lines []line, i int) bool {
	o, l := s.crash, lines[i]
	before, near := previousLine(lines, i)
	if o.diesAgain(lines, i) && !processEnd.Match(before.text) {
		return false
	}
	if near && before.kind == syntax.Goroutine { // the runtime dies while it prints this goroutine
		return false
	}
	switch l.kind {
	case syntax.SignalBracket: // belongs to the line before it, if that can begin a crash
		return o.hasStack && !before.kind.CanBeginCrash() && before.kind != syntax.DiedAgain
	case syntax.RuntimeNote:
		// Before the first stack, several threads may say that they cannot unwind one.
		return (o.hasStack || o.diedOf != syntax.None && !saysUnwindFailed(l.text) && !near) && deathFollows(lines[i+1:])
	case syntax.Signal:
		if o.otherThreads || o.hasStack && i+1 < len(lines) && bytes.Contains(lines[i+1].text, []byte("sigcode=18446744073709551610")) {
			return false // the runtime makes another thread print its stack
		}
		return o.hasStack || o.diedOf != syntax.None && !(near && before.kind.CanBeginCrash())
	case syntax.Panic:
		if !o.hasStack && indent(l.text) > o.indent || before.kind == syntax.Panic && bytes.Contains(before.text, []byte("[recovered")) {
			return false // the panic above was being handled when this one began
		}
		if near && o.hasStack && (o.Headless || o.diedOf == syntax.Panic) && bytes.Contains(l.text, []byte("[recovered")) && before.kind >= syntax.Goroutine {
			return false // this belongs to the same series of recovered panics
		}
	case syntax.Fatal:
		if unwinderFatal.Match(l.text) {
			return processEnd.Match(before.text)
		}
		if near && o.unwindFailed && before.kind == syntax.Location && syntax.HasAny(l.text, "unexpected signal") {
			return false // the runtime dies while it prints a stack that it cannot unwind
		}
	}
	// If two threads die at the same time, each prints such a line.
	return o.hasStack || o.diedOf != syntax.None && !(near && (before.kind == l.kind || before.kind == syntax.RuntimeNote))
}

// saysUnwindFailed reports whether a RuntimeNote says that a stack cannot be unwound.
func saysUnwindFailed(note []byte) bool {
	return syntax.HasAny(note, "unexpected return pc for ", ": frame.sp=", "traceback stuck")
}

// previousLine returns the last line before line i that is not blank, and whether it is
// line i-1. It looks back lookBack lines.
func previousLine(lines []line, i int) (l line, near bool) {
	for j := i - 1; j >= max(0, i-lookBack); j-- {
		if len(lines[j].text) > 0 {
			return lines[j], j == i-1
		}
	}
	return line{}, false
}

// diesAgain reports whether line i is printed because the process of the open crash died
// again while it printed. The runtime says so, but only once.
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

// deathFollows reports whether the process died of what a RuntimeNote before these lines
// says: whether a line that names the death comes before any stack, and the runtime did not
// die again there.
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
