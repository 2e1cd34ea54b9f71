package crash

import (
	"bytes"
	"container/list"

	"splitadd/internal/crash/syntax"
	"splitadd/internal/crash/unwrap"
)

// A line is a line of a stream.
type line struct {
	at    int // its number, from 1
	text  []byte
	kind  syntax.Kind
	tells bool // only a Go process that dies prints it
}

// A stream is the lines of one source, from the first that may be of a crash.
type stream struct {
	complete func(Log) // takes a crash
	source   uint64    // of its lines
	place    *list.Element
	last     int // the last of the lines of the input that is one of it

	raw   []line // as they came
	lines []line // without blank lines that a collector has put between them
	taken int    // how many of lines are there only for what follows: at most lookBack
	size  int    // bytes of both, and of the open crash

	order  int // above 0 if lines come in the order of time, below if latest first
	spaced int // above 0 if there is a blank line after each

	open  *open
	told  bool // one of its lines has told that a process died
	short bool // lines that come before those that are left were dropped
}

const (
	batch    = 4096    // lines that are looked at together
	lookBack = 4       // lines that have been taken, by which it is known whether another crash begins
	margin   = 400     // lines that stay, to be looked at with those to come
	weight   = 64      // bytes that a line takes
	most     = 8 << 20 // bytes that are looked at together
)

func (s *stream) add(l unwrap.Line) {
	line := normal(l)
	line.tells = tells(line)
	s.told = s.told || line.tells
	s.raw = append(s.raw, line)
	if s.size += len(l.Text) + weight; len(s.raw) >= batch || s.size >= most {
		s.process(false)
	}
}

// normal returns a line as the runtime prints it: collectors trim, or expand, the
// tab of a location.
func normal(l unwrap.Line) line {
	text := l.Text
	switch {
	case l.Kind == syntax.Location || l.Kind == syntax.None && syntax.IsLocation(text):
		if trimmed := syntax.Trim(text); len(trimmed)+1 != len(text) || text[0] != '\t' {
			text = append([]byte{'\t'}, trimmed...)
		}
		return line{at: l.Number, text: text, kind: syntax.Location}
	case l.Kind != syntax.None && l.Kind != syntax.Panic && l.Kind != syntax.Frame:
		text = syntax.Trim(text)
	}
	return line{at: l.Number, text: text, kind: l.Kind}
}

// finish completes the crash that is open, and returns where it begins; 0 if there is none.
func (s *stream) finish() (at int) {
	if !s.told {
		return 0
	}
	s.process(true)
	if s.open != nil && s.open.told {
		at = s.open.Line
	}
	s.end()
	return at
}

// end completes the crash that is open.
func (s *stream) end() {
	if s.open != nil && s.open.told {
		s.complete(s.open.Log)
	}
	s.open = nil
}

// process cuts what there is of the stream into crashes; unless it is all there
// is, but for what depends on lines to come.
func (s *stream) process(all bool) {
	s.unspace(all)
	if !all && len(s.lines) < 2*margin && s.size < most {
		return
	}
	s.order += order(s.lines[s.taken:])
	if s.order < 0 {
		s.backward(all)
	} else {
		s.forward(all)
	}
	s.size = 0
	for _, lines := range [][]line{s.raw, s.lines} {
		for _, l := range lines {
			s.size += len(l.text) + weight
		}
	}
	if s.open != nil {
		s.size += len(s.open.Text)
	}
}

// forward cuts lines in the order of time, and keeps those that it does not cut, and a
// few before them.
func (s *stream) forward(all bool) {
	n := len(s.lines)
	if !all {
		n = max(s.taken, n-min(margin, n/2))
	}
	for i := s.taken; i < n; i++ {
		s.take(s.lines, i)
	}
	s.taken = min(n, lookBack)
	s.keep(n - s.taken)
}

// keep keeps the lines from the nth on.
func (s *stream) keep(n int) {
	rest := copy(s.lines, s.lines[n:])
	clear(s.lines[rest:])
	s.lines = s.lines[:rest]
}

// backward cuts lines that come latest first: those up to the last with which a
// crash begins, so that the rest is a crash whose beginning is to come.
func (s *stream) backward(all bool) {
	s.keep(s.taken)
	s.taken = 0
	n := len(s.lines)
	if !all {
		for n -= min(margin, n/2); n > 0 && !s.lines[n-1].kind.Header(); n-- {
		}
		if n == 0 && s.size < maxLog {
			return
		}
		if n == 0 { // too long: what comes is nearer to its beginning
			s.keep(len(s.lines) / 2)
			s.short = true
			return
		}
	}
	turned := make([]line, n)
	for i, l := range s.lines[:n] {
		turned[n-1-i] = l
	}
	for i := range turned {
		s.take(turned, i)
	}
	if s.open != nil {
		s.open.Truncated, s.short = s.open.Truncated || s.short, false
	}
	s.end()
	s.keep(n)
}

// order votes on the order of lines: by pairs of lines of which the runtime prints
// one after the other.
func order(lines []line) (votes int) {
	var before line
	blank := false
	for _, l := range lines {
		if len(l.text) == 0 {
			blank = true
			continue
		}
		follow, weight := follow, 2
		if blank {
			follow = followAfterBlank
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

// followAfterBlank reports whether the runtime prints a line after another and a blank
// line, and never the other way round.
func followAfterBlank(first, second line) bool {
	switch first.kind {
	case syntax.Fatal, syntax.Panic, syntax.Bracket, syntax.PC:
		return second.kind == syntax.Goroutine || second.kind == syntax.Stack
	}
	return false
}

// follow reports whether the runtime prints a line right after another, and never
// the other way round. Of calls and their locations, each stack has one more pair in its
// order than in the other.
func follow(first, second line) bool {
	switch first.kind {
	case syntax.Goroutine, syntax.Stack:
		return second.kind == syntax.Call
	case syntax.Call:
		return second.kind == syntax.Location
	case syntax.Signal:
		return second.kind == syntax.PC
	case syntax.Fatal, syntax.Panic:
		return second.kind == syntax.Bracket || second.kind == syntax.Signal && bytes.HasPrefix(first.text, []byte("fatal: "))
	case syntax.Note:
		return second.kind == syntax.Frame || second.kind == syntax.Fatal && thrown.Match(second.text)
	}
	return false
}

// unspace takes out blank lines that stand after every line: where lines that the
// runtime prints one after the other have one between them.
func (s *stream) unspace(all bool) {
	n := len(s.raw)
	for !all && n > 0 && len(s.raw[n-1].text) == 0 { // more may come
		n--
	}
	raw := s.raw[:n]
	last := -1 // the last line that is not blank
	for i, l := range raw {
		if len(bytes.TrimSpace(l.text)) == 0 {
			continue
		}
		if last >= 0 && (follow(raw[last], l) || follow(l, raw[last])) {
			if i == last+2 {
				s.spaced++
			} else if i == last+1 {
				s.spaced--
			}
		}
		last = i
	}
	blank := 0
	for _, l := range raw {
		if len(bytes.TrimSpace(l.text)) == 0 {
			if blank++; s.spaced > 0 && blank != 2 {
				continue
			}
			l.text = nil
		} else {
			blank = 0
		}
		s.lines = append(s.lines, l)
	}
	rest := copy(s.raw, s.raw[n:])
	clear(s.raw[rest:])
	s.raw = s.raw[:rest]
}
