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
	l := reader{log: log, text: string(log.Text), facts: crash.FactsOf(log.Text), binary: b}
	var windows []window.Window
	if b != nil {
		l.fit, windows = b.Fits(l.facts.Frames), b.Windows
	}
	l.settleMachine()
	l.death = l.facts.Classify(windows)
	v := l.verdict()
	v.Go, v.Arch = l.facts.Go, l.facts.Arch
	if v.Go == "" && b != nil && l.fit != Other {
		v.Go = b.Go
	}
	v.Cut, v.short = l.cut(), l.facts.Truncated
	function := ""
	if v.Window != nil {
		function = v.Window.Func
	}
	v.Text = crash.Excerpt(log.Text, function)
	v.finish(b)
	return v
}

// A reader decides on one log.
type reader struct {
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
func (l *reader) verdict() Verdict {
	if l.death.Cause == nil || l.death.Cause.Attribution != crash.MaybeWindow {
		l.faultByPC()
	}
	c := l.death.Cause
	if c != nil && c.Attribution == crash.OtherCause {
		return l.known(c)
	}
	if v, ok := l.excluded(); ok {
		return v
	}
	switch {
	case c == nil || l.log.Headless && c.Attribution != crash.MaybeWindow:
		v := newVerdict(Undecided, "what the process died of is cut off", l.preempted())
		v.Settle = "the log from its beginning"
		return v
	case c.Attribution == crash.ManyCauses:
		v := newVerdict(Undecided, c.Summary, l.death.Evidence, where(l.facts.DyingFrame()), hint(l.text))
		v.Settle = c.Settle
		return v
	}
	v := l.unwound(c.Class)
	if v.Suspect {
		v.Do = []string{"until that is settled: with GODEBUG=asyncpreemptoff=1 the program cannot die of this defect"}
	}
	return v
}

// unwound gives the verdict on a death over a stack that could not be unwound,
// which a window of a class may have caused.
func (l *reader) unwound(class window.Class) Verdict {
	if l.binary == nil {
		return l.bare(class)
	}
	if l.fit == Other {
		v := l.bare(class)
		v.Why = "the log is of another build than " + l.binary.Path
		v.Settle = "the binary that ran: splitadd triage -binary FILE"
		return v
	}
	w := l.death.Window
	if w == nil {
		return l.noWindow(class)
	}
	if id := l.another(); id != "" {
		v := newVerdict(Undecided, "a goroutine was interrupted in a window, and it was goroutine "+id+" that could not be unwound", l.death.Evidence, l.preempted())
		v.Settle, v.Suspect = "a core file: GOTRACEBACK=crash and ulimit -c unlimited", true
		return v
	}
	if !l.instance() {
		v := newVerdict(Undecided, "a goroutine was interrupted in one of several instances of "+crash.PrintedName(w.Func)+", of which not all have a window there", l.death.Evidence, l.preempted())
		v.Settle, v.Suspect = "a log with addresses: GOTRACEBACK=system; or a core file", true
		return v
	}
	return l.split()
}

// another returns the number of the goroutine that could not be unwound, if the
// log says that it is not one that was interrupted in the window.
func (l *reader) another() string {
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
func (l *reader) faultByPC() {
	m := faulted.FindStringSubmatch(l.text)
	if m == nil || l.binary == nil || l.binary.table == nil || l.fit == Other {
		return
	}
	pc, _ := strconv.ParseUint(m[1], 16, 64)
	if fn, ok := l.binary.table.Find(pc); ok && unwinders[fn.Name()] != "" {
		cause := crash.UnwinderFault(unwinders[fn.Name()])
		l.death = crash.Death{Kind: cause.Kind, Cause: cause, Evidence: fmt.Sprintf("%s, in %s+%#x", m[0], fn.Name(), pc-fn.Entry)}
	}
}

// faulted matches where the runtime says that a fault was.
var faulted = regexp.MustCompile(`(?m)(?:^PC=|^\[signal SIGSEGV[^\n]* pc=)0x([0-9a-f]{1,16})`)

// known gives the verdict on a death whose text names another cause.
func (l *reader) known(c *crash.Cause) Verdict {
	why := c.Summary
	if why == "" {
		why = strings.TrimPrefix(l.death.Evidence, "fatal error: ")
	}
	v := newVerdict(NotThis, why, l.death.Evidence, where(l.facts.DyingFrame()))
	if c.Likely {
		v.Sure = Likely
	}
	if len(c.Issues) > 0 {
		v.Neighbour = &Neighbour{c.Issues, why}
		v.Do = append(v.Do, v.Neighbour.where())
	}
	if c.Read != "" {
		v.Do = append(v.Do, c.Read)
	}
	return v
}

// split gives the verdict on a death that the log lays to a window.
func (l *reader) split() Verdict {
	w := l.death.Window
	v := split(*w)
	at := fmt.Sprintf("interrupted at %s+%#x, between the two ADDs of a %s of %d bytes", w.Func, w.Offset(), frameKind(w), w.Frame)
	if !l.death.ByPC {
		v.Sure = Likely
		at = fmt.Sprintf("the unwinder failed in %s, whose only window it is: +%#x, between the two ADDs of a %s of %d bytes", w.Func, w.Offset(), frameKind(w), w.Frame)
	}
	if l.fit != Same {
		v.Sure = Likely
	}
	v.Evidence = []string{l.death.Evidence, at, l.fitted()}
	return v
}

func frameKind(w *window.Window) string {
	if w.Leaf {
		return "leaf function's frame"
	}
	return "frame"
}

// fitted says how well the log fits the binary.
func (l *reader) fitted() string {
	if l.fit == Same {
		return "the frames in the log are those of " + l.binary.Path
	}
	return "that " + l.binary.Path + " is what ran, too few frames in the log say"
}

// preempted describes the goroutine that was preempted, of those that are being
// scanned if there is one.
func (l *reader) preempted() string {
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

// bare gives the verdict where there is no binary to compare with.
func (l *reader) bare(class window.Class) Verdict {
	v := newVerdict(Undecided, "looks like "+string(crash.SplitKind(class)), l.death.Evidence, l.preempted())
	v.Suspect = true
	if u := l.facts.Unwinder; u != nil && u.FP > u.SP {
		size, way := u.FP-u.SP, "two ADDs to pop"
		if arm64.Expand(size) != arm64.TwoADDs {
			// A return address that it read at a window may be some function's.
			v.Why, v.Suspect = "the unwinder failed in a function that has no window, unless it had left the one that has", false
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

// noWindow gives the verdict where the log names no window of the binary.
func (l *reader) noWindow(class window.Class) Verdict {
	if !l.binary.Has(class) {
		why := fmt.Sprintf("%s has no window of the %s pointer", l.binary.Path, map[window.Class]string{window.SP: "stack", window.FP: "frame"}[class])
		if l.fit == Same {
			v := newVerdict(NotThis, why, l.death.Evidence, l.fitted())
			v.Do = []string{"report it to golang/go, with the whole log: the unwinder failed for another reason"}
			return v
		}
		v := newVerdict(Undecided, why, l.death.Evidence, l.fitted())
		v.Settle, v.Suspect = "a longer log, or certainty that this binary is what ran: then it was not this", true
		return v
	}
	v := newVerdict(Undecided, "the log does not show where the goroutine was interrupted", l.death.Evidence, l.preempted())
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
		v.Why = "fits split SP, by its numbers"
		v.Evidence = append(v.Evidence, fmt.Sprintf("top - frame.sp = %d bytes = %s: %s", u.Top-u.SP, c.Sum(), c.Chain()))
		if n > 1 {
			v.Why = fmt.Sprintf("fits split SP in %d windows, by its numbers", n)
		}
		if !all {
			v.Why += "; there are more calls than were looked at"
		}
	}
	return v
}

// hint says what the address of a fault hints at. In go1.21 to go1.24, the
// unwinder that meets a word that is no return address, of a goroutine that no
// thread runs, reads m.incgo of none (runtime/traceback.go, unwinder.next).
func hint(text string) string {
	if strings.Contains(text, "addr=0x118") {
		return "addr=0x118 is where the unwinder faults over a word that is no return address, on arm64 as on amd64"
	}
	return ""
}

func where(f *crash.Frame) string {
	if f == nil {
		return "no frame is in the log"
	}
	return "in " + f.Func
}
