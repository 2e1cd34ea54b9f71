package crash

import (
	"bytes"

	"splitadd/internal/crash/syntax"
)

// orderVotes returns a positive number if lines are in the order of time, and a negative
// number if the latest comes first. It counts pairs of neighbouring lines that the runtime
// prints in one order only.
func orderVotes(lines []line) (votes int) {
	var before line
	blank := false
	for _, l := range lines {
		if len(l.text) == 0 {
			blank = true
			continue
		}
		isBefore, weight := precedes, 2
		if blank {
			isBefore = precedesAfterBlank
		} else if before.kind == syntax.Call || l.kind == syntax.Call && before.kind == syntax.Location {
			weight = 1
		}
		if isBefore(before, l) {
			votes += weight
		}
		if isBefore(l, before) {
			votes -= weight
		}
		before, blank = l, false
	}
	return votes
}

// precedesAfterBlank is like precedes, for two lines with a blank line between them.
func precedesAfterBlank(first, second line) bool {
	switch first.kind {
	case syntax.Fatal, syntax.Panic, syntax.SignalBracket, syntax.PC:
		return second.kind == syntax.Goroutine || second.kind == syntax.RuntimeStack
	}
	return false
}

// precedes reports whether the runtime prints the first line right before the second, and
// never in the other order. For a call and a location that is not quite true: in a stack,
// there is one more pair in this order than in the other.
func precedes(first, second line) bool {
	switch first.kind {
	case syntax.Goroutine, syntax.RuntimeStack:
		return second.kind == syntax.Call
	case syntax.Call:
		return second.kind == syntax.Location
	case syntax.Signal:
		return second.kind == syntax.PC
	case syntax.Fatal, syntax.Panic:
		return second.kind == syntax.SignalBracket || second.kind == syntax.Signal && bytes.HasPrefix(first.text, []byte("fatal: "))
	case syntax.RuntimeNote:
		return second.kind == syntax.StackBounds || second.kind == syntax.Fatal && unwinderFatal.Match(second.text)
	}
	return false
}

// removeSpacing moves lines from arrived to lines. If a collector has put a blank line after
// each line, it removes those. It votes on that with pairs of lines that the runtime prints
// one after the other.
func (s *stream) removeSpacing(all bool) {
	n := len(s.arrived)
	for !all && n > 0 && len(s.arrived[n-1].text) == 0 { // more may come
		n--
	}
	raw := s.arrived[:n]
	last := -1 // the last line that is not blank
	for i, l := range raw {
		if len(bytes.TrimSpace(l.text)) == 0 {
			continue
		}
		if last >= 0 && (precedes(raw[last], l) || precedes(l, raw[last])) {
			if i == last+2 {
				s.spacingVotes++
			} else if i == last+1 {
				s.spacingVotes--
			}
		}
		last = i
	}
	blank := 0
	for _, l := range raw {
		if len(bytes.TrimSpace(l.text)) == 0 {
			if blank++; s.spacingVotes > 0 && blank != 2 {
				continue
			}
			l.text = nil
		} else {
			blank = 0
		}
		s.lines = append(s.lines, l)
	}
	rest := copy(s.arrived, s.arrived[n:])
	clear(s.arrived[rest:])
	s.arrived = s.arrived[:rest]
}
