package triage

import (
	"fmt"
	"go/version"
	"strings"

	"splitadd/internal/arm64"
	"splitadd/internal/crash"
	"splitadd/internal/window"
)

// This defect exists only on arm64, and only in releases that preempt asynchronously. So the
// machine or the release may exclude it, whatever the text of a crash is, unless the text
// names a cause. This is known about the machine and the release, the most reliable first:
//
//  1. A binary that fits the log is for arm64, and names its release.
//  2. The crash shows registers, frames in files of one architecture, or instructions at
//     addresses that arm64 does not have. Package crash has the weights of these clues.
//  3. The paths of the runtime's files name the release.
//
// If the log names a release or an architecture anywhere else, it is shown but excludes
// nothing.

// trustBinary replaces what the log says about the machine and the release by what the binary
// says, if the log fits the binary.
func (l *logCase) trustBinary() {
	if l.fit != SameBuild {
		return
	}
	l.facts.Arch, l.facts.NotARM64 = "arm64", ""
	if l.binary.Go != "" {
		l.facts.Go, l.facts.BuiltBy, l.facts.BeforeGo114 = l.binary.Go, l.binary.Go, false
	}
}

// excluded returns a verdict if the architecture or the release excludes the defect that the
// crash looks like.
func (l *logCase) excluded() (v Verdict, ok bool) {
	c := l.death.Cause
	if l.facts.NotARM64 != "" {
		reason := "another architecture"
		if l.facts.Arch != "" {
			reason += ", " + l.facts.Arch
		}
		v = newVerdict(NotThis, reason, l.death.Evidence, l.facts.NotARM64)
		if c != nil && l.facts.Arch == "amd64" && len(c.AMD64Issues) > 0 {
			v.Issues = c.AMD64Issues
			v.Do = []string{seeIssues(v.Issues)}
		}
		return v, true
	}
	if l.facts.BeforeGo114 {
		return newVerdict(NotThis, "a release before go1.14, which does not preempt asynchronously", l.death.Evidence, "the frames are printed as such a release prints them"), true
	}
	if what := l.tooSmallForSplit(); what != "" {
		return newVerdict(NotThis, "a stack without a frame that takes two instructions to pop", l.death.Evidence, what), true
	}
	// The name of a folder may be that of an older release. So a release is not too old if the
	// frames have functions that only newer releases have.
	built := l.facts.BuiltBy
	if c == nil || built == "" || !version.IsValid(built) {
		return v, false
	}
	switch {
	case version.Compare(built, "go1.14") < 0 && !l.facts.PreemptsAsync():
		return newVerdict(NotThis, built+", which does not preempt asynchronously", l.death.Evidence), true
	case c.Since != "" && !l.facts.PreemptsAsync() && version.Compare(built, c.Since) < 0 || window.FixedIn(built, c.Fixed):
		if c.UnaffectedNote == "" {
			return newVerdict(NotThis, fmt.Sprintf("%s, which does not have the defect that this looks like", built), l.death.Evidence), true
		}
		v = newVerdict(NotThis, c.Summary, l.death.Evidence, frameText(l.facts.DyingFrame()), fmt.Sprintf("built by %s: %s", built, c.UnaffectedNote))
		v.Confidence = Likely
		return v, true
	}
	return v, false
}

// belowSplitFrames is a size below that of the smallest frame that takes two instructions to
// pop, which has 65,552 bytes (arm64.FormOf).
const belowSplitFrames = 1 << 16

// tooSmallForSplit describes the stack, or the preempted frame, of the goroutine on which the
// unwinder gave up, if it is too small for a window of the stack pointer. Otherwise it returns
// "". If the log names a window of the binary, that counts more.
func (l *logCase) tooSmallForSplit() string {
	c, u := l.death.Cause, l.facts.Unwinder
	if c == nil || c.Class != window.SP || l.death.Window != nil || u == nil || u.GoroutineID != l.facts.FailedGoroutine() {
		return ""
	}
	if u.Lo > 0 && u.Hi > u.Lo && u.Hi-u.Lo < belowSplitFrames {
		return fmt.Sprintf("the stack has %d bytes, and the smallest such frame has 65552", u.Hi-u.Lo)
	}
	for _, f := range l.facts.Frames {
		if f.Preempted && f.HasOffset && u.GoroutineID != "" && f.GoroutineID() == u.GoroutineID && f.FP > f.SP && arm64.FormOf(f.FP-f.SP) != arm64.TwoADDs {
			return fmt.Sprintf("goroutine %s was preempted in %s, whose frame of %d bytes takes one instruction to pop", u.GoroutineID, f.Func, f.FP-f.SP)
		}
	}
	return ""
}

// whereCut says where the log is cut off, or returns "".
func (l *logCase) whereCut() string {
	first, last := l.log.Line, l.log.Line+strings.Count(strings.TrimRight(l.text, "\n"), "\n")
	lines := strings.Split(strings.TrimRight(l.text, "\n"), "\n")
	end := lines[len(lines)-1]
	switch {
	case l.log.Headless:
		return fmt.Sprintf("cut off before line %d: it does not say what the process died of", first)
	case len(l.facts.Frames) == 0:
		return fmt.Sprintf("cut off after line %d: no frames follow", last)
	case strings.HasPrefix(end, "goroutine ") && strings.HasSuffix(end, "]:") || crash.IsCall(end):
		return fmt.Sprintf("cut off after line %d: within a goroutine", last)
	}
	return ""
}
