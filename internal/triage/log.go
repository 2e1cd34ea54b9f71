package triage

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"splitadd/internal/crash"
	"splitadd/internal/window"
)

// Log returns the verdict on a crash in a log. The binary may be nil.
func Log(log crash.Log, b *Binary) Verdict {
	l := logCase{log: log, text: string(log.Text), facts: crash.FactsOf(log.Text), binary: b}
	var windows []window.Window
	if b != nil {
		l.fit, windows = b.Fits(l.facts.Frames), b.Windows
	}
	l.trustBinary()
	l.death = l.facts.Classify(windows)
	v := l.verdict()
	v.Go, v.Arch = l.facts.Go, l.facts.Arch
	if v.Go == "" && b != nil && l.fit != OtherBuild {
		v.Go = b.Go
	}
	v.CutOff, v.truncated = l.whereCut(), l.facts.Truncated
	function := ""
	if v.Window != nil {
		function = v.Window.Func
	}
	v.Text = crash.Excerpt(log.Text, function)
	v.finish(b)
	return v
}

// A logCase is a crash in a log, with what is needed for a verdict.
type logCase struct {
	log    crash.Log
	text   string // the text of the log
	facts  crash.Facts
	death  crash.Death
	binary *Binary // may be nil
	fit    Fit     // whether the log is from the binary
}

// verdict decides by the cause that package crash found for the death. If the text names
// another cause, that is the answer. Otherwise the machine or the release may exclude this
// defect. If they do not, and a window may have caused the text, the binary decides.
func (l *logCase) verdict() Verdict {
	if l.death.Cause == nil || l.death.Cause.Attribution != crash.MaybeWindow {
		l.faultByPC()
	}
	c := l.death.Cause
	if c != nil && c.Attribution == crash.OtherCause {
		return l.otherCause(c)
	}
	if v, ok := l.excluded(); ok {
		return v
	}
	switch {
	case c == nil || l.log.Headless && c.Attribution != crash.MaybeWindow:
		v := newVerdict(Undecided, "what the process died of is cut off", l.preemptedFrame())
		v.Settle = "the log from its beginning"
		return v
	case c.Attribution == crash.ManyCauses:
		v := newVerdict(Undecided, c.Summary, l.death.Evidence, frameText(l.facts.DyingFrame()), faultAddressHint(l.text))
		v.Settle = c.Settle
		return v
	}
	v := l.unwindFailure(c.Class)
	if v.Suspect {
		v.Do = []string{"until then, run the program with GODEBUG=asyncpreemptoff=1: it cannot die of this defect"}
	}
	return v
}

// unwindFailure returns the verdict on a failure to unwind a stack that a window of the class
// may have caused.
func (l *logCase) unwindFailure(class window.Class) Verdict {
	if l.binary == nil {
		return l.withoutBinary(class)
	}
	if l.fit == OtherBuild {
		v := l.withoutBinary(class)
		v.Reason = "the log is from another build than " + l.binary.Path
		v.Settle = "the binary that ran: splitadd triage -binary FILE"
		return v
	}
	w := l.death.Window
	if w == nil {
		return l.windowNotShown(class)
	}
	if id := l.otherGoroutine(); id != "" {
		v := newVerdict(Undecided, "a goroutine was interrupted in a window, but another one, goroutine "+id+", could not be unwound", l.death.Evidence, l.preemptedFrame())
		v.Settle, v.Suspect = "a core file: GOTRACEBACK=crash and ulimit -c unlimited", true
		return v
	}
	if !l.instanceShown() {
		v := newVerdict(Undecided, "a goroutine was interrupted in one of several instances of "+crash.PrintedName(w.Func)+", and not all of them have a window there", l.death.Evidence, l.preemptedFrame())
		v.Settle, v.Suspect = "a log with addresses: GOTRACEBACK=system; or a core file", true
		return v
	}
	return l.split()
}

// otherGoroutine returns the number of the goroutine that could not be unwound, if the log
// shows that it is not a goroutine that was interrupted in the window. Otherwise it returns "".
func (l *logCase) otherGoroutine() string {
	u, w := l.facts.Unwinder, l.death.Window
	if u == nil || u.GoroutineID == "" || crash.SameFunc(u.Func, w.Func) {
		return ""
	}
	elsewhere := false
	for _, f := range l.facts.Frames {
		if f.HasOffset && f.Offset == w.Offset() && crash.SameFunc(f.Func, w.Func) {
			if f.GoroutineID() == u.GoroutineID {
				return ""
			}
			elsewhere = true
		}
	}
	if elsewhere {
		return u.GoroutineID
	}
	return ""
}

// faultByPC changes the death to a fault in an unwinder if the pc of the fault is in an
// unwinder of the binary. A log may have the pc but not the frames.
func (l *logCase) faultByPC() {
	m := faultPC.FindStringSubmatch(l.text)
	if m == nil || l.binary == nil || l.binary.table == nil || l.fit == OtherBuild {
		return
	}
	pc, _ := strconv.ParseUint(m[1], 16, 64)
	if fn, ok := l.binary.table.PCToFunc(pc); ok && unwinders[fn.Name()] != "" {
		cause := crash.UnwinderFault(unwinders[fn.Name()])
		l.death = crash.Death{Kind: cause.Kind, Cause: cause, Evidence: fmt.Sprintf("%s, in %s+%#x", m[0], fn.Name(), pc-fn.Entry)}
	}
}

// faultPC matches the pc of a fault.
var faultPC = regexp.MustCompile(`(?m)(?:^PC=|^\[signal SIGSEGV[^\n]* pc=)0x([0-9a-f]{1,16})`)

// otherCause returns the verdict on a death whose text names another cause.
func (l *logCase) otherCause(c *crash.Cause) Verdict {
	reason := c.Summary
	if reason == "" {
		reason = strings.TrimPrefix(l.death.Evidence, "fatal error: ")
	}
	v := newVerdict(NotThis, reason, l.death.Evidence, frameText(l.facts.DyingFrame()))
	if c.Likely {
		v.Confidence = Likely
	}
	if len(c.Issues) > 0 {
		v.Issues = c.Issues
		v.Do = append(v.Do, seeIssues(v.Issues))
	}
	return v
}

// split returns the verdict on a death that the log attributes to a window.
func (l *logCase) split() Verdict {
	w := l.death.Window
	v := split(*w)
	at := fmt.Sprintf("interrupted at %s+%#x, between the two ADDs of a %s of %d bytes", w.Func, w.Offset(), frameKind(w), w.Frame)
	if !l.death.ByPC {
		v.Confidence = Likely
		at = fmt.Sprintf("the unwinder failed in %s, which has one window: +%#x, between the two ADDs of a %s of %d bytes", w.Func, w.Offset(), frameKind(w), w.Frame)
	}
	if l.fit != SameBuild {
		v.Confidence = Likely
	}
	v.Evidence = []string{l.death.Evidence, at, l.fitEvidence()}
	return v
}
