package triage

import (
	"fmt"
	"strings"

	"splitadd/internal/arm64"
	"splitadd/internal/crash"
	"splitadd/internal/window"
)

// frameKind describes the frame of a window's function.
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
	return "the log has too few frames to show that " + l.binary.Path + " is the program that ran"
}

// preemptedFrame describes the frame in which a goroutine was preempted. If there are several,
// it prefers a goroutine whose stack was being scanned.
func (l *logCase) preemptedFrame() string {
	var best *crash.Frame
	for i := range l.facts.Frames {
		f := &l.facts.Frames[i]
		if f.Preempted && f.HasOffset && (best == nil || strings.Contains(f.Header, "(scan)") && !strings.Contains(best.Header, "(scan)")) {
			best = f
		}
	}
	if best == nil {
		return "the log has no preempted goroutine"
	}
	s := fmt.Sprintf("preempted at %s+%#x", best.Func, best.Offset)
	if size := best.FP - best.SP; best.FP > best.SP && size < 1<<32 {
		s += fmt.Sprintf(", in a frame of %d bytes", size)
		if arm64.FormOf(size) == arm64.TwoADDs {
			s += ", which takes two ADDs to pop"
		}
	}
	return s
}

// withoutBinary returns the verdict on an unwind failure if there is no binary to compare with.
func (l *logCase) withoutBinary(class window.Class) Verdict {
	v := newVerdict(Undecided, "looks like "+string(crash.SplitKind(class)), l.death.Evidence, l.preemptedFrame())
	v.Suspect = true
	if u := l.facts.Unwinder; u != nil && u.FP > u.SP {
		size, way := u.FP-u.SP, "two ADDs to pop"
		if arm64.FormOf(size) != arm64.TwoADDs {
			// If the unwinder had already left the function with the window, the word that it took
			// for a return address may have been one of this function by chance.
			v.Reason, v.Suspect = "the unwinder failed in a function without a window, unless it had already left a function with one", false
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

// windowNotShown returns the verdict on an unwind failure if the log names no window of the
// binary.
func (l *logCase) windowNotShown(class window.Class) Verdict {
	if !l.binary.HasWindow(class) {
		reason := fmt.Sprintf("%s has no window of the %s pointer", l.binary.Path, map[window.Class]string{window.SP: "stack", window.FP: "frame"}[class])
		if l.fit == SameBuild {
			v := newVerdict(NotThis, reason, l.death.Evidence, l.fitEvidence())
			v.Do = []string{"report it to golang/go, with the whole log: the unwinder failed for another reason"}
			return v
		}
		v := newVerdict(Undecided, reason, l.death.Evidence, l.fitEvidence())
		v.Settle, v.Suspect = "a longer log, or proof that this binary is the one that ran: then it was not this defect", true
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
		v.Evidence = append(v.Evidence, fmt.Sprintf("it gave up %d bytes below the top of the stack: none of the first %d steps along calls from a window leads there, and not all were tried", u.Top-u.SP, maxSteps))
	case n == 0:
		v.Evidence = append(v.Evidence, fmt.Sprintf("it gave up %d bytes below the top of the stack: no chain of calls from a window is that long", u.Top-u.SP))
	default:
		c := v.Candidates[0]
		v.Reason = "the numbers fit split SP"
		v.Evidence = append(v.Evidence, fmt.Sprintf("top - frame.sp = %d bytes = %s: %s", u.Top-u.SP, c.Sum(), c.Chain()))
		if n > 1 {
			v.Reason = fmt.Sprintf("the numbers fit split SP in %d windows", n)
		}
		if !all {
			v.Reason += "; not all chains of calls were tried"
		}
	}
	return v
}

// faultAddressHint says what the address of a fault suggests, or returns "". In go1.21 to
// go1.24, if the unwinder finds a word that is not a return address, and no thread runs the
// goroutine, it reads the field incgo of a nil m (runtime/traceback.go, unwinder.next).
func faultAddressHint(text string) string {
	if strings.Contains(text, "addr=0x118") {
		return "addr=0x118 is where the unwinder faults if it finds a word that is not a return address, on arm64 and on amd64"
	}
	return ""
}

// frameText names the function of a frame, which may be nil.
func frameText(f *crash.Frame) string {
	if f == nil {
		return "the log has no frames"
	}
	return "in " + f.Func
}
