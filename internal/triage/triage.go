// Package triage says whether a window caused a crash. It reads the log or the core file of the
// crash, and the binary if there is one.
//
// Package crash finds the crashes in a log and what each process died of. Triage adds what the
// binary shows: whether the log is from this binary, and in which of its windows the goroutine
// was interrupted. In a core file it looks for a goroutine that asyncPreempt has parked in a
// window.
//
// The answer is "split SP" or "split FP" if a window caused the crash, "not this" if something
// else did, and "undecided" if nothing shows the cause. "Not this" needs evidence as well. Each
// answer but "undecided" is certain or likely.
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

// An Answer says whether a window caused a crash. The answer is a split only if the log or the
// core file shows a goroutine that was interrupted in a window of the binary.
type Answer string

const (
	SplitSP   Answer = Answer(crash.SplitSP)
	SplitFP   Answer = Answer(crash.SplitFP)
	NotThis   Answer = "not this"
	Undecided Answer = "undecided"
)

// Split reports whether the answer is that a window caused the crash.
func (a Answer) Split() bool { return a == SplitSP || a == SplitFP }

// A Confidence says how sure an answer is. It is "" for Undecided.
type Confidence string

const (
	Certain Confidence = "certain" // the text or the binary says so
	Likely  Confidence = "likely"  // everything that the log shows agrees with it
)

// A Verdict says what a crash was, and why.
type Verdict struct {
	Answer     Answer
	Reason     string     // of NotThis and Undecided, in a few words
	Confidence Confidence // of all answers except Undecided
	// Suspect is true if an undecided crash looks like this defect: a window may cause its
	// text, and nothing excludes that.
	Suspect bool

	Input    string   // the file, or "-" for standard input
	Line     int      // the line of the log in which the crash begins, from 1; 0 for a core file
	Count    int      // how many crashes of the log read like it, including itself; 0 for a core file
	Last     int      // the line in which the last of them begins
	CutOff   string   // where the log is cut off, in a few words, or ""
	Go, Arch string   // the release and GOARCH, if the input or the binary has them
	Evidence []string // at most maxEvidence lines
	Settle   string   // what would settle an undecided answer, or ""
	Do       []string // what the user can do

	Window     *window.Window // of a split
	Candidates []Candidate    // windows that fit the unwinder's numbers
	Issues     []int          // issues of golang/go about the defect that it is, or is easily mistaken for
	Text       string         // an excerpt of the log
	Code       string         // the disassembly of the window

	truncated bool // the runtime printed more messages about the crash than were read
}

// Bounds on the evidence of a verdict.
const (
	maxEvidence = 4   // lines
	maxLine     = 240 // bytes
)

// finish prepares a verdict for printing. It limits the number and length of the lines that
// quote the input, makes them safe to print, and adds the code at the window.
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

// seeIssues refers the user to issues of golang/go.
func seeIssues(numbers []int) string {
	var issues []string
	for _, i := range numbers {
		issues = append(issues, fmt.Sprintf("golang/go#%d", i))
	}
	return "see " + strings.Join(issues, ", ")
}

// newVerdict returns a verdict that is not a split.
func newVerdict(a Answer, reason string, evidence ...string) Verdict {
	v := Verdict{Answer: a, Reason: reason, Evidence: evidence}
	if a == NotThis {
		v.Confidence = Certain
	}
	return v
}

// split returns the verdict that a window caused the crash.
func split(w window.Window) Verdict {
	return Verdict{Answer: Answer(crash.SplitKind(w.Class)), Confidence: Certain, Window: &w, Do: survey.Remedies([]string{w.Kind()})}
}
