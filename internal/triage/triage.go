// Package triage says whether a crash was caused by a window, from its log or its core
// file, and from the binary if it is at hand.
//
// The crashes of a log come from package crash. Triage adds what the binary tells: whether
// the log is of this binary, and which of its windows the goroutine was in. In a core file it
// looks for the goroutine that asyncPreempt has parked in a window. The answer is certain,
// likely or undecided. "Not this" needs evidence of its own.
package triage

import (
	"fmt"
	"slices"
	"strings"

	"splitadd/internal/crash"
	"splitadd/internal/safe"
	"splitadd/internal/survey"
	"splitadd/internal/window"
)

// An Answer is what a crash was. A crash is called a split only if the log or
// the core file shows a goroutine interrupted in a window of the binary.
type Answer string

const (
	SplitSP   Answer = Answer(crash.SplitSP)
	SplitFP   Answer = Answer(crash.SplitFP)
	NotThis   Answer = "not this"
	Undecided Answer = "undecided"
)

// Split reports whether the answer is this defect.
func (a Answer) Split() bool { return a == SplitSP || a == SplitFP }

// Confidence says how sure an answer is; "" is for those that decide nothing.
type Confidence string

const (
	Certain Confidence = "certain" // the text says so, or the binary
	Likely  Confidence = "likely"  // all that the log shows agrees
)

// A Verdict is what one crash was, and why.
type Verdict struct {
	Answer Answer
	Reason string // of NotThis and Undecided: in a few words

	Confidence Confidence // of an answer that decides
	// Suspect is true if a crash that is undecided looks like this defect: its
	// text is one that the defect leaves, and nothing excludes it.
	Suspect bool

	Input    string   // the file, "-" for standard input
	Line     int      // where a log has it, from 1; 0 for a core file
	Count    int      // crashes in the log that read like it, with itself; 0 for a core file
	Last     int      // where the last of them begins
	CutOff   string   // where the log is cut off, in a few words; "" if it does not look so
	Go, Arch string   // as the input, or the binary, says; "" where neither does
	Evidence []string // at most maxEvidence lines
	Settle   string   // what would settle it; "" where nothing is left to settle
	Do       []string // what to do

	Window      *window.Window // of a split
	Candidates  []Candidate    // windows that the unwinder's numbers fit
	OtherDefect *OtherDefect   // what it is, or is easily taken for
	Text        string         // the crash, cut; of a log
	Code        string         // the disassembly of the window

	truncated bool // not all that the runtime said of the crash was looked at
}

// Bounds on the evidence of a verdict.
const (
	maxEvidence = 4   // lines
	maxLine     = 240 // bytes
)

// finish makes a verdict fit to be shown: what it quotes of its input is text,
// and bounded.
func (v *Verdict) finish(b *Binary) {
	v.Evidence = slices.DeleteFunc(v.Evidence, func(e string) bool { return e == "" })
	v.Evidence = v.Evidence[:min(len(v.Evidence), maxEvidence)]
	for i, e := range v.Evidence {
		v.Evidence[i] = safe.Cut(e, maxLine)
	}
	v.Reason = safe.Cut(v.Reason, maxLine)
	if v.Window != nil && b.file != nil {
		v.Code = window.Disassembly(b.file, *v.Window, 1, 1)
	}
}

// A OtherDefect is another defect that looks like this one.
type OtherDefect struct {
	Issues []int // of golang/go
	What   string
}

func (n OtherDefect) seeIssues() string {
	var issues []string
	for _, i := range n.Issues {
		issues = append(issues, fmt.Sprintf("golang/go#%d", i))
	}
	return "see " + strings.Join(issues, ", ")
}

// newVerdict makes a verdict other than a split.
func newVerdict(a Answer, why string, evidence ...string) Verdict {
	v := Verdict{Answer: a, Reason: why, Evidence: evidence}
	if a == NotThis {
		v.Confidence = Certain
	}
	return v
}

// split makes the verdict that a death was at a window.
func split(w window.Window) Verdict {
	return Verdict{Answer: Answer(crash.SplitKind(w.Class)), Confidence: Certain, Window: &w, Do: survey.Remedies([]string{w.Kind()})}
}
