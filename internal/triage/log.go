package triage

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"splitadd/internal/arm64"
	"splitadd/internal/crash"
	"splitadd/internal/window"
)

// Log gives the verdict on one crash. The binary may be nil.
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

// A logCase decides on one log.
type logCase struct {
	log    crash.Log
	text   string
	facts  crash.Facts
	death  crash.Death
	binary *Binary
	fit    Fit
}

// verdict decides by the cause that the table has for the death: a text that
// names another cause, then the machine and the release, and then, if the text is
// one that a window leaves, the binary.
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
		v.Do = []string{"until that is settled: with GODEBUG=asyncpreemptoff=1 the program cannot die of this defect"}
	}
	return v
}

// unwindFailure gives the verdict on a death over a stack that could not be unwindFailure,
// which a window of a class may have caused.
func (l *logCase) unwindFailure(class window.Class) Verdict {
	if l.binary == nil {
		return l.withoutBinary(class)
	}
	if l.fit == OtherBuild {
		v := l.withoutBinary(class)
		v.Reason = "the log is of another build than " + l.binary.Path
		v.Settle = "the binary that ran: splitadd triage -binary FILE"
		return v
	}
	w := l.death.Window
	if w == nil {
		return l.windowNotShown(class)
	}
	if id := l.otherGoroutine(); id != "" {
		v := newVerdict(Undecided, "a goroutine was interrupted in a window, and it was goroutine "+id+" that could not be unwound", l.death.Evidence, l.preemptedFrame())
		v.Settle, v.Suspect = "a core file: GOTRACEBACK=crash and ulimit -c unlimited", true
		return v
	}
	if !l.instanceShown() {
		v := newVerdict(Undecided, "a goroutine was interrupted in one of several instances of "+crash.PrintedName(w.Func)+", of which not all have a window there", l.death.Evidence, l.preemptedFrame())
		v.Settle, v.Suspect = "a log with addresses: GOTRACEBACK=system; or a core file", true
		return v
	}
	return l.split()
}

// otherGoroutine returns the number of the goroutine that could not be unwound, if the
// log says that it is not one that was interrupted in the window.
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

// faultByPC recognizes a fault in an unwinder whose frames the log does not
// have, by the pc, if the binary knows it.
func (l *logCase) faultByPC() {
	m := faultPC.FindStringSubmatch(l.text)
	if m == nil || l.binary == nil || l.binary.table == nil || l.fit == OtherBuild {
		return
	}
	pc, _ := strconv.ParseUint(m[1], 16, 64)
	if fn, ok := l.binary.table.Find(pc); ok && unwinders[fn.Name()] != "" {
		cause := crash.UnwinderFault(unwinders[fn.Name()])
		l.death = crash.Death{Kind: cause.Kind, Cause: cause, Evidence: fmt.Sprintf("%s, in %s+%#x", m[0], fn.Name(), pc-fn.Entry)}
	}
}

// faultPC matches where the runtime says that a fault was.
var faultPC = regexp.MustCompile(`(?m)(?:^PC=|^\[signal SIGSEGV[^\n]* pc=)0x([0-9a-f]{1,16})`)

// otherCause gives the verdict on a death whose text names another cause.
func (l *logCase) otherCause(c *crash.Cause) Verdict {
	why := c.Summary
	if why == "" {
		why = strings.TrimPrefix(l.death.Evidence, "fatal error: ")
	}
	v := newVerdict(NotThis, why, l.death.Evidence, frameText(l.facts.DyingFrame()))
	if c.Likely {
		v.Confidence = Likely
	}
	if len(c.Issues) > 0 {
		v.OtherDefect = &OtherDefect{c.Issues, why}
		v.Do = append(v.Do, v.OtherDefect.seeIssues())
	}
	return v
}

// split gives the verdict on a death that the log lays to a window.
func (l *logCase) split() Verdict {
	w := l.death.Window
	v := split(*w)
	at := fmt.Sprintf("interrupted at %s+%#x, between the two ADDs of a %s of %d bytes", w.Func, w.Offset(), frameKind(w), w.Frame)
	if !l.death.ByPC {
		v.Confidence = Likely
		at = fmt.Sprintf("the unwinder failed in %s, whose only window it is: +%#x, between the two ADDs of a %s of %d bytes", w.Func, w.Offset(), frameKind(w), w.Frame)
	}
	if l.fit != SameBuild {
		v.Confidence = Likely
	}
	v.Evidence = []string{l.death.Evidence, at, l.fitEvidence()}
	return v
}

func frameKind(w *window.Window) string {
	if w.Leaf {
		return "leaf function's frame"
	}
	return "frame"
}

// fitEvidence says how well the log fits the binary.
func (l *logCase) fitEvidence() string {
	if l.fit == SameBuild {
		return "the frames in the log are those of " + l.binary.Path
	}
	return "that " + l.binary.Path + " is what ran, too few frames in the log say"
}

// preemptedFrame describes the goroutine that was preemptedFrame, of those that are being
// scanned if there is one.
func (l *logCase) preemptedFrame() string {
	var best *crash.Frame
	for i := range l.facts.Frames {
		f := &l.facts.Frames[i]
		if f.Preempted && f.HasOffset && (best == nil || strings.Contains(f.Header, "(scan)") && !strings.Contains(best.Header, "(scan)")) {
			best = f
		}
	}
	if best == nil {
		return "no preempted goroutine is in the log"
	}
	s := fmt.Sprintf("preempted at %s+%#x", best.Func, best.Offset)
	if size := best.FP - best.SP; best.FP > best.SP && size < 1<<32 {
		s += fmt.Sprintf(", in a frame of %d bytes", size)
		if arm64.Expand(size) == arm64.TwoADDs {
			s += ", which takes two ADDs to pop"
		}
	}
	return s
}

// withoutBinary gives the verdict where there is no binary to compare with.
func (l *logCase) withoutBinary(class window.Class) Verdict {
	v := newVerdict(Undecided, "looks like "+string(crash.SplitKind(class)), l.death.Evidence, l.preemptedFrame())
	v.Suspect = true
	if u := l.facts.Unwinder; u != nil && u.FP > u.SP {
		size, way := u.FP-u.SP, "two ADDs to pop"
		if arm64.Expand(size) != arm64.TwoADDs {
			// A return address that it read at a window may be some function's.
			v.Reason, v.Suspect = "the unwinder failed in a function that has no window, unless it had left the one that has", false
			way = "one instruction to pop, on arm64"
		}
		v.Evidence = append(v.Evidence, fmt.Sprintf("it failed in %s, whose frame of %d bytes takes %s", u.Func, size, way))
	} else if u != nil && u.Top > u.SP {
		v.Evidence = append(v.Evidence, fmt.Sprintf("it gave up %d bytes below the top of the stack", u.Top-u.SP))
	}
	v.Settle = "the binary that ran: splitadd triage -binary FILE"
	if l.facts.Arch == "" {
		v.Settle += "; the log does not show whether this was arm64"
	}
	return v
}

// windowNotShown gives the verdict where the log names no window of the binary.
func (l *logCase) windowNotShown(class window.Class) Verdict {
	if !l.binary.HasWindow(class) {
		why := fmt.Sprintf("%s has no window of the %s pointer", l.binary.Path, map[window.Class]string{window.SP: "stack", window.FP: "frame"}[class])
		if l.fit == SameBuild {
			v := newVerdict(NotThis, why, l.death.Evidence, l.fitEvidence())
			v.Do = []string{"report it to golang/go, with the whole log: the unwinder failed for another reason"}
			return v
		}
		v := newVerdict(Undecided, why, l.death.Evidence, l.fitEvidence())
		v.Settle, v.Suspect = "a longer log, or certainty that this binary is what ran: then it was not this", true
		return v
	}
	v := newVerdict(Undecided, "the log does not show where the goroutine was interrupted", l.death.Evidence, l.preemptedFrame())
	v.Settle, v.Suspect = "a core file: GOTRACEBACK=crash and ulimit -c unlimited", true
	u := l.facts.Unwinder
	if class != window.SP || u == nil {
		return v
	}
	candidates, all := l.binary.candidates(u)
	v.Candidates = candidates
	switch n := len(v.Candidates); {
	case u.Top == 0:
	case n == 0 && !all:
		v.Evidence = append(v.Evidence, fmt.Sprintf("it gave up %d bytes below the top of the stack: none of the first %d steps along calls from a window lead there, and there are more", u.Top-u.SP, maxSteps))
	case n == 0:
		v.Evidence = append(v.Evidence, fmt.Sprintf("it gave up %d bytes below the top of the stack: no chain of calls from a window is that long", u.Top-u.SP))
	default:
		c := v.Candidates[0]
		v.Reason = "fits split SP, by its numbers"
		v.Evidence = append(v.Evidence, fmt.Sprintf("top - frame.sp = %d bytes = %s: %s", u.Top-u.SP, c.Sum(), c.Chain()))
		if n > 1 {
			v.Reason = fmt.Sprintf("fits split SP in %d windows, by its numbers", n)
		}
		if !all {
			v.Reason += "; there are more calls than were looked at"
		}
	}
	return v
}

// faultAddressHint says what the address of a fault hints at. In go1.21 to go1.24, the
// unwinder that meets a word that is no return address, of a goroutine that no
// thread runs, reads m.incgo of none (runtime/traceback.go, unwinder.next).
func faultAddressHint(text string) string {
	if strings.Contains(text, "addr=0x118") {
		return "addr=0x118 is where the unwinder faults over a word that is no return address, on arm64 as on amd64"
	}
	return ""
}

func frameText(f *crash.Frame) string {
	if f == nil {
		return "no frame is in the log"
	}
	return "in " + f.Func
}
