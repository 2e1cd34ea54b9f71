// Package triage says of a crash log, or a core file, whether it was this
// defect.
package triage

import (
	"slices"
	"strings"

	"splitadd/internal/survey"
	"splitadd/internal/window"
)

// An Answer is what a crash was. A crash is called a split only if the log or
// the core file shows a goroutine interrupted in a window of the binary.
type Answer string

const (
	SplitSP   Answer = "split SP"
	SplitFP   Answer = "split FP"
	NotThis   Answer = "not this"
	Undecided Answer = "undecided"
)

// Split reports whether the answer is this defect.
func (a Answer) Split() bool { return a == SplitSP || a == SplitFP }

// A Verdict is what one crash was, and why.
type Verdict struct {
	Answer Answer
	Why    string // of NotThis and Undecided: in a few words

	Input    string   // the file, "-" for standard input
	Line     int      // where a log has it, from 1; 0 for a core file
	Count    int      // crashes in the log that read like it, with itself; 0 for a core file
	Last     int      // where the last of them begins
	Go, Arch string   // as the input, or the binary, says; "" where neither does
	Evidence []string // at most three lines
	Settle   string   // what would settle it; "" where nothing is left to settle
	Do       []string // what to do

	Window     *window.Window // of a split
	Candidates []Candidate    // windows that the unwinder's numbers fit
	Neighbour  *Neighbour     // what it is, or is easily taken for
	Text       string         // the crash, cut; of a log
	Code       string         // the disassembly of the window
}

// Bounds on the evidence of a verdict.
const (
	maxEvidence = 3   // lines
	maxLine     = 240 // bytes
)

// finish makes a verdict fit to be shown: what it quotes of its input is text,
// and bounded.
func (v *Verdict) finish(b *Binary) {
	v.Evidence = slices.DeleteFunc(v.Evidence, func(e string) bool { return e == "" })
	v.Evidence = v.Evidence[:min(len(v.Evidence), maxEvidence)]
	for i, e := range v.Evidence {
		v.Evidence[i] = clip(e)
	}
	v.Why = clip(v.Why)
	if v.Window != nil && b.file != nil {
		v.Code = window.Disassembly(b.file, *v.Window, 1, 1)
	}
}

func clip(s string) string {
	s = strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s), "?")
	if len(s) > maxLine {
		s = strings.ToValidUTF8(s[:maxLine], "") + "..."
	}
	return s
}

// A Neighbour is another defect that looks like this one.
type Neighbour struct {
	Issues []int // of golang/go
	What   string
}

// because makes a verdict other than a split.
func because(a Answer, why string, evidence ...string) Verdict {
	return Verdict{Answer: a, Why: why, Evidence: evidence}
}

// splitOf is the answer for a window's class.
func splitOf(class window.Class) Answer {
	if class == window.FP {
		return SplitFP
	}
	return SplitSP
}

// split makes the verdict that a death was at a window.
func split(w window.Window) Verdict {
	return Verdict{Answer: splitOf(w.Class), Window: &w, Do: survey.Remedies([]string{w.Kind()})}
}
