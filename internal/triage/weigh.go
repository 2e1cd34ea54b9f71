package triage

import (
	"fmt"
	"go/version"
	"strings"

	"splitadd/internal/arm64"
	"splitadd/internal/crash"
	"splitadd/internal/window"
)

// What is known of the machine and the release, and how much it weighs. A log's
// clues of its architecture have their weights in package crash. This defect is one
// of arm64 and of releases that preempt asynchronously, so that either excludes it
// whatever the text of a crash is, unless the text names a cause already:
//
//	1. a binary that fits is for arm64, and names its release: it overrides all else
//	2. the crash's own registers, files of one architecture in its frames, and
//	   instructions at addresses that arm64 does not have
//	3. the release in the paths of its frames of the runtime
//
// A release, or an architecture, that the log names anywhere else is shown and
// excludes nothing.

// trustBinary lets a binary that fits the log override what the log says.
func (l *logCase) trustBinary() {
	if l.fit != SameBuild {
		return
	}
	l.facts.Arch, l.facts.NotARM64 = "arm64", ""
	if l.binary.Go != "" {
		l.facts.Go, l.facts.BuiltBy, l.facts.BeforeGo114 = l.binary.Go, l.binary.Go, false
	}
}

// excluded gives the verdict on a death whose architecture, or release, does not
// have what it looks like.
func (l *logCase) excluded() (v Verdict, ok bool) {
	c := l.death.Cause
	if l.facts.NotARM64 != "" {
		why := "another architecture"
		if l.facts.Arch != "" {
			why += ", " + l.facts.Arch
		}
		v = newVerdict(NotThis, why, l.death.Evidence, l.facts.NotARM64)
		if c != nil && l.facts.Arch == "amd64" && len(c.AMD64Issues) > 0 {
			v.OtherDefect = &OtherDefect{c.AMD64Issues, why}
			v.Do = []string{v.OtherDefect.seeIssues()}
		}
		return v, true
	}
	if l.facts.BeforeGo114 {
		return newVerdict(NotThis, "a release before go1.14, which preempts nothing asynchronously", l.death.Evidence, "its frames are those of such a release"), true
	}
	if what := l.tooSmallForSplit(); what != "" {
		return newVerdict(NotThis, "a stack without a frame that takes two instructions to pop", l.death.Evidence, what), true
	}
	// A folder may be named for the release that it had once.
	built := l.facts.BuiltBy
	if c == nil || built == "" || !version.IsValid(built) {
		return v, false
	}
	switch {
	case version.Compare(built, "go1.14") < 0 && !l.facts.PreemptsAsync():
		return newVerdict(NotThis, built+", which preempts nothing asynchronously", l.death.Evidence), true
	case c.Since != "" && !l.facts.PreemptsAsync() && version.Compare(built, c.Since) < 0 || window.FixedIn(built, c.Fixed):
		if c.UnaffectedNote == "" {
			return newVerdict(NotThis, fmt.Sprintf("%s, which does not have what this looks like", built), l.death.Evidence), true
		}
		v = newVerdict(NotThis, c.Summary, l.death.Evidence, frameText(l.facts.DyingFrame()), fmt.Sprintf("built by %s: %s", built, c.UnaffectedNote))
		v.Confidence = Likely
		return v, true
	}
	return v, false
}

// belowSplitFrames is less than the belowSplitFrames frame that takes two instructions to pop,
// bytes: 65,552 (arm64.Expand).
const belowSplitFrames = 1 << 16

// tooSmallForSplit describes the stack, or the preempted frame, of the goroutine over which
// the unwinder gave up, if no split of the stack pointer fits in it. What the
// binary shows weighs more.
func (l *logCase) tooSmallForSplit() string {
	c, u := l.death.Cause, l.facts.Unwinder
	if c == nil || c.Class != window.SP || l.death.Window != nil || u == nil || u.GoroutineID != l.facts.FailedGoroutine() {
		return ""
	}
	if u.Lo > 0 && u.Hi > u.Lo && u.Hi-u.Lo < belowSplitFrames {
		return fmt.Sprintf("the stack has %d bytes, and the smallest such frame 65552", u.Hi-u.Lo)
	}
	for _, f := range l.facts.Frames {
		if f.Preempted && f.HasOffset && u.GoroutineID != "" && f.GoroutineID() == u.GoroutineID && f.FP > f.SP && arm64.Expand(f.FP-f.SP) != arm64.TwoADDs {
			return fmt.Sprintf("goroutine %s was preempted in %s, whose frame of %d bytes takes one instruction to pop", u.GoroutineID, f.Func, f.FP-f.SP)
		}
	}
	return ""
}

// whereCut says where the log is whereCut off, or "".
func (l *logCase) whereCut() string {
	first, last := l.log.Line, l.log.Line+strings.Count(strings.TrimRight(l.text, "\n"), "\n")
	lines := strings.Split(strings.TrimRight(l.text, "\n"), "\n")
	end := lines[len(lines)-1]
	switch {
	case l.log.Headless:
		return fmt.Sprintf("cut off before line %d: what the process died of is not there", first)
	case len(l.facts.Frames) == 0:
		return fmt.Sprintf("cut off after line %d: no frame follows", last)
	case strings.HasPrefix(end, "goroutine ") && strings.HasSuffix(end, "]:") || crash.IsCall(end):
		return fmt.Sprintf("cut off after line %d: within a goroutine", last)
	}
	return ""
}
