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
	l := reader{log: log, facts: crash.FactsOf(log.Text), binary: b}
	if b != nil {
		l.fit = b.Fits(l.facts.Frames)
		l.death = crash.Classify(log.Text, b.Windows)
	} else {
		l.death = crash.Classify(log.Text, nil)
	}
	l.text = string(log.Text)
	v := l.verdict()
	v.Go, v.Arch = l.facts.Go, l.facts.Arch
	if v.Go == "" && b != nil && l.fit != Other {
		v.Go = b.Go
	}
	function := ""
	if v.Window != nil {
		function = v.Window.Func
	}
	v.Text = crash.Cut(log.Text, function)
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

func (l *reader) verdict() Verdict {
	if !l.unwinding() {
		return l.other()
	}
	if n := l.neighbour(); n != nil {
		return l.known(*n)
	}
	if l.binary == nil {
		return l.bare()
	}
	if l.fit == Other {
		v := because(Undecided, "the log is of another build than "+l.binary.Path, l.death.Evidence, l.preempted())
		v.Settle = "the binary that ran: splitadd triage -binary FILE"
		return v
	}
	if l.death.Window == nil {
		return l.noWindow()
	}
	if id := l.another(); id != "" {
		v := because(Undecided, "a goroutine was interrupted in a window, and it was goroutine "+id+" that could not be unwound", l.death.Evidence, l.preempted())
		v.Settle = "a core file: GOTRACEBACK=crash and ulimit -c unlimited"
		return v
	}
	return l.split()
}

// another returns the number of the goroutine that could not be unwound, if the
// log says that it is not one that was interrupted in the window.
func (l *reader) another() string {
	u, w := l.facts.Unwinder, l.death.Window
	if u == nil || u.ID == "" || u.Func == printed(w.Func) {
		return ""
	}
	elsewhere := false
	for _, f := range l.facts.Frames {
		if f.Known && f.Offset == w.Offset() && f.Func == printed(w.Func) {
			if f.ID() == u.ID {
				return ""
			}
			elsewhere = true
		}
	}
	if elsewhere {
		return u.ID
	}
	return ""
}

// unwinding reports whether the process died of unwinding a stack, or may have,
// for all that is left of its log.
func (l *reader) unwinding() bool {
	if l.death.Kind.Unwinding() || !l.log.Headless && strings.Contains(l.text, "fatal error: unknown caller pc") {
		return true
	}
	// A fault whose pc the binary knows.
	if m := faulted.FindStringSubmatch(l.text); m != nil && l.binary != nil && l.binary.table != nil && l.fit != Other {
		pc, _ := strconv.ParseUint(m[1], 16, 64)
		if fn, ok := l.binary.table.Find(pc); ok && unwinders[fn.Name()] != "" {
			l.death = crash.Death{Kind: crash.Unwind, Evidence: fmt.Sprintf("%s, in %s+%#x", m[0], fn.Name(), pc-fn.Entry)}
			return true
		}
	}
	return false
}

// faulted matches where the runtime says that a fault was.
var faulted = regexp.MustCompile(`(?m)(?:^PC=|^\[signal SIGSEGV[^\n]* pc=)0x([0-9a-f]{1,16})`)

// known gives the verdict on a death of another known defect.
func (l *reader) known(n Neighbour) Verdict {
	v := because(NotThis, n.What, l.death.Evidence)
	if n.What == foreign {
		v.Evidence = append(v.Evidence, "the log is of "+l.facts.Arch)
	}
	v.Neighbour, v.Do = &n, []string{n.where()}
	return v
}

// split gives the verdict on a death that the log lays to a window.
func (l *reader) split() Verdict {
	w := l.death.Window
	v := split(*w)
	at := fmt.Sprintf("interrupted at %s+%#x, between the two ADDs of a %s of %d bytes", w.Func, w.Offset(), frameKind(w), w.Frame)
	if !l.death.ByPC {
		at = fmt.Sprintf("the unwinder failed in %s, whose only window it is: +%#x, between the two ADDs of a %s of %d bytes", w.Func, w.Offset(), frameKind(w), w.Frame)
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
		if f.Preempted && f.Known && (best == nil || strings.Contains(f.Goroutine, "(scan)") && !strings.Contains(best.Goroutine, "(scan)")) {
			best = f
		}
	}
	if best == nil {
		return "no preempted goroutine is in the log"
	}
	s := fmt.Sprintf("preempted at %s+%#x", best.Func, best.Offset)
	if size := best.FP - best.SP; best.FP > best.SP && size < 1<<32 {
		s += fmt.Sprintf(", in a frame of %d bytes", size)
		if arm64.Expand(size) == arm64.Pair {
			s += ", which takes two ADDs to pop"
		}
	}
	return s
}

// class says by which pointer the process was unwinding when it died.
func (l *reader) class() window.Class {
	if strings.Contains(l.text, "runtime.fpTracebackPCs(") {
		return window.FP
	}
	return window.SP
}

// bare gives the verdict where there is no binary to compare with.
func (l *reader) bare() Verdict {
	v := because(Undecided, "looks like "+string(splitOf(l.class())), l.death.Evidence, l.preempted())
	if u := l.facts.Unwinder; u != nil && u.FP > u.SP && arm64.Expand(u.FP-u.SP) == arm64.Pair {
		v.Evidence = append(v.Evidence, fmt.Sprintf("it failed in %s, whose frame of %d bytes takes two ADDs to pop", u.Func, u.FP-u.SP))
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
func (l *reader) noWindow() Verdict {
	class := l.class()
	if !l.binary.Has(class) {
		why := fmt.Sprintf("%s has no window of the %s pointer", l.binary.Path, map[window.Class]string{window.SP: "stack", window.FP: "frame"}[class])
		if l.fit == Same {
			v := because(NotThis, why, l.death.Evidence, l.fitted())
			v.Do = []string{"report it to golang/go, with the whole log: the unwinder failed for another reason"}
			return v
		}
		v := because(Undecided, why, l.death.Evidence, l.fitted())
		v.Settle = "a longer log, or certainty that this binary is what ran: then it was not this"
		return v
	}
	v := because(Undecided, "the log does not show where the goroutine was interrupted", l.death.Evidence, l.preempted())
	v.Settle = "a core file: GOTRACEBACK=crash and ulimit -c unlimited"
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

// known matches fatal errors whose text says the cause, and all of it.
var known = regexp.MustCompile(`^fatal error: (?:all goroutines are asleep - deadlock!|no goroutines \(main called runtime\.Goexit\) - deadlock!|` +
	`concurrent map |stack overflow|sync: |(?:runtime: )?out of memory|cannot allocate memory|thread exhaustion|too many |newosproc|` +
	`cgo argument|checkptr|program exceeds|self deadlock|go of nil func|morestack on g0|fault$)`)

// corruption matches what the collector says of a heap that something has
// written to: a cause that the text does not tell.
var corruption = regexp.MustCompile(`found bad pointer|invalid pointer|bad pointer in|sweep increased|marking free object|found pointer to free|scanobject|greyobject|invalid heap pointer|bad summary data|s\.allocCount|unexpected signal|unexpected fault|malloc deadlock|stack not |stackfree|bad g|bad m|mSpan|mheap|span |gc: |work\.|wbuf|shrink|runtime: bad`)

// fromOutside matches signals that somebody sends.
var fromOutside = regexp.MustCompile(`^SIG(?:QUIT|ABRT|TERM|INT|HUP|USR[12]|KILL|STOP|XCPU|SYS|ALRM|TRAP): `)

// other gives the verdict on a death of something else.
func (l *reader) other() Verdict {
	line := l.death.Evidence
	first := l.first()
	switch {
	case l.log.Headless || line == "":
		v := because(Undecided, "what the process died of is cut off", l.preempted())
		v.Settle = "the log from its beginning"
		return v
	case strings.Contains(line, "traceback stuck"):
		return l.known(neighbours["stuck"])
	case strings.Contains(l.text, "runtime.fpTracebackPartialExpand("):
		return l.known(neighbours["partial"])
	case l.death.Kind == crash.OutOfMemory:
		return because(NotThis, "out of memory", line)
	case strings.HasPrefix(line, "panic: "):
		if !strings.Contains(l.text, "\ngoroutine ") {
			break
		}
		return because(NotThis, "a panic", line, where(first))
	case strings.Contains(line, "unexpected signal during runtime"):
		v := because(Undecided, "a fault in the runtime, which has many causes", line, where(first), hint(l.text))
		v.Settle = "the binary that ran: splitadd triage -binary FILE; more of the log, or a core file"
		return v
	case corruption.MatchString(line):
		v := because(Undecided, "memory was corrupted, which has many causes", line, where(first))
		v.Settle = "a core file; go test -race, and GODEBUG=asyncpreemptoff=1 for a while: does it stop?"
		return v
	case fromOutside.MatchString(line):
		return because(NotThis, "ended by a signal", line)
	case strings.HasPrefix(line, "SIG"):
		if strings.Contains(l.text, "signal arrived during cgo execution") {
			return because(NotThis, "a signal in C code", line, where(first))
		}
		if first != nil && !strings.HasPrefix(first.Func, "runtime.") {
			return because(NotThis, "a fault outside the runtime", line, where(first))
		}
	case known.MatchString(line):
		if why := strings.TrimPrefix(line, "fatal error: "); why != "fault" {
			return because(NotThis, why, line, where(first))
		}
		if first != nil && !strings.HasPrefix(first.Func, "runtime.") {
			return because(NotThis, "a fault outside the runtime", line, where(first))
		}
	}
	v := because(Undecided, "nothing in the log decides", line, where(first), hint(l.text))
	v.Settle = "more of the log, or a core file"
	return v
}

// first returns the frame in which the process died, or nil.
func (l *reader) first() *crash.Frame {
	for i := range l.facts.Frames {
		f := &l.facts.Frames[i]
		switch f.Func {
		case "runtime.throw", "runtime.fatal", "runtime.fatalthrow", "runtime.throw.func1", "runtime.fatal.func1", "runtime.sigpanic", "panic",
			"runtime.panicmem", "runtime.panicmemAddr", "runtime.gopanic", "runtime.systemstack":
			continue
		}
		return f
	}
	return nil
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
