package crash

import (
	"bytes"
	"container/list"

	"splitadd/internal/crash/syntax"
	"splitadd/internal/crash/unwrap"
)

// A line is a line of a stream.
type line struct {
	number      int // its number, from 1
	text        []byte
	kind        syntax.Kind
	provesCrash bool // only a Go process that dies prints it
}

// A stream is the lines of one source, from the first that may be of a crash.
type stream struct {
	emit     func(Log) // takes a crash
	source   uint64    // of its lines
	activity *list.Element
	lastLine int // the last of the lines of the input that is one of it

	arrived  []line // as they came
	lines    []line // without blank lines that a collector has put between them
	consumed int    // how many of lines are there only for what follows: at most lookBack
	bytes    int    // bytes of both, and of the open crash

	orderVotes   int // above 0 if lines come in the order of time, below if latest first
	spacingVotes int // above 0 if there is a blank line after each

	crash     *openCrash
	sawCrash  bool // one of its lines has told that a process died
	lostStart bool // lines that come before those that are left were dropped
}

const (
	batchLines   = 4096    // lines that are looked at together
	lookBack     = 4       // lines that have been taken, by which it is known whether another crash begins
	margin       = 400     // lines that stay, to be looked at with those to come
	lineOverhead = 64      // bytes that a line takes
	batchBytes   = 8 << 20 // bytes that are looked at together
)

func (s *stream) add(l unwrap.Line) {
	line := normalize(l)
	line.provesCrash = provesCrash(line)
	s.sawCrash = s.sawCrash || line.provesCrash
	s.arrived = append(s.arrived, line)
	if s.bytes += len(l.Text) + lineOverhead; len(s.arrived) >= batchLines || s.bytes >= batchBytes {
		s.cut(false)
	}
}

// normalize returns a line as the runtime prints it: collectors trim, or expand, the
// tab of a location.
func normalize(l unwrap.Line) line {
	text := l.Text
	switch {
	case l.Kind == syntax.Location || l.Kind == syntax.None && syntax.IsLocation(text):
		if trimmed := syntax.Trim(text); len(trimmed)+1 != len(text) || text[0] != '\t' {
			text = append([]byte{'\t'}, trimmed...)
		}
		return line{number: l.Number, text: text, kind: syntax.Location}
	case l.Kind != syntax.None && l.Kind != syntax.Panic && l.Kind != syntax.StackBounds:
		text = syntax.Trim(text)
	}
	return line{number: l.Number, text: text, kind: l.Kind}
}

// finish completes the crash that is open, and returns where it begins; 0 if there is none.
func (s *stream) finish() (at int) {
	if !s.sawCrash {
		return 0
	}
	s.cut(true)
	if s.crash != nil && s.crash.isCrash {
		at = s.crash.Line
	}
	s.endCrash()
	return at
}

// endCrash completes the crash that is open.
func (s *stream) endCrash() {
	if s.crash != nil && s.crash.isCrash {
		s.emit(s.crash.Log)
	}
	s.crash = nil
}

// cut cuts what there is of the stream into crashes; unless it is all there
// is, but for what depends on lines to come.
func (s *stream) cut(all bool) {
	s.removeSpacing(all)
	if !all && len(s.lines) < 2*margin && s.bytes < batchBytes {
		return
	}
	s.orderVotes += orderVotes(s.lines[s.consumed:])
	if s.orderVotes < 0 {
		s.cutBackward(all)
	} else {
		s.cutForward(all)
	}
	s.bytes = 0
	for _, lines := range [][]line{s.arrived, s.lines} {
		for _, l := range lines {
			s.bytes += len(l.text) + lineOverhead
		}
	}
	if s.crash != nil {
		s.bytes += len(s.crash.Text)
	}
}

// cutForward cuts lines in the order of time, and keeps those that it does not cut, and a
// few before them.
func (s *stream) cutForward(all bool) {
	n := len(s.lines)
	if !all {
		n = max(s.consumed, n-min(margin, n/2))
	}
	for i := s.consumed; i < n; i++ {
		s.consume(s.lines, i)
	}
	s.consumed = min(n, lookBack)
	s.drop(n - s.consumed)
}

// drop keeps the lines from the nth on.
func (s *stream) drop(n int) {
	rest := copy(s.lines, s.lines[n:])
	clear(s.lines[rest:])
	s.lines = s.lines[:rest]
}

// cutBackward cuts lines that come latest first: those up to the last with which a
// crash begins, so that the rest is a crash whose beginning is to come.
func (s *stream) cutBackward(all bool) {
	s.drop(s.consumed)
	s.consumed = 0
	n := len(s.lines)
	if !all {
		for n -= min(margin, n/2); n > 0 && !s.lines[n-1].kind.CanBeginCrash(); n-- {
		}
		if n == 0 && s.bytes < maxLog {
			return
		}
		if n == 0 { // too long: what comes is nearer to its beginning
			s.drop(len(s.lines) / 2)
			s.lostStart = true
			return
		}
	}
	turned := make([]line, n)
	for i, l := range s.lines[:n] {
		turned[n-1-i] = l
	}
	for i := range turned {
		s.consume(turned, i)
	}
	if s.crash != nil {
		s.crash.Truncated, s.lostStart = s.crash.Truncated || s.lostStart, false
	}
	s.endCrash()
	s.drop(n)
}

// orderVotes votes on the orderVotes of lines: by pairs of lines of which the runtime prints
// one after the other.
func orderVotes(lines []line) (votes int) {
	var before line
	blank := false
	for _, l := range lines {
		if len(l.text) == 0 {
			blank = true
			continue
		}
		follow, weight := precedes, 2
		if blank {
			follow = precedesAfterBlank
		} else if before.kind == syntax.Call || l.kind == syntax.Call && before.kind == syntax.Location {
			weight = 1
		}
		if follow(before, l) {
			votes += weight
		}
		if follow(l, before) {
			votes -= weight
		}
		before, blank = l, false
	}
	return votes
}

// precedesAfterBlank reports whether the runtime prints a line after another and a blank
// line, and never the other way round.
func precedesAfterBlank(first, second line) bool {
	switch first.kind {
	case syntax.Fatal, syntax.Panic, syntax.SignalBracket, syntax.PC:
		return second.kind == syntax.Goroutine || second.kind == syntax.RuntimeStack
	}
	return false
}

// precedes reports whether the runtime prints a line right after another, and never
// the other way round. Of calls and their locations, each stack has one more pair in its
// order than in the other.
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

// removeSpacing takes out blank lines that stand after every line: where lines that the
// runtime prints one after the other have one between them.
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
