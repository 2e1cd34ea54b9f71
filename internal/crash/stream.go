package crash

import (
	"container/list"

	"splitadd/internal/crash/syntax"
	"splitadd/internal/crash/unwrap"
)

// A line is a line of a stream.
type line struct {
	number      int // its number in the input, from 1
	text        []byte
	kind        syntax.Kind
	provesCrash bool // only a Go process that dies prints it
}

// A stream is the lines of one source, from the first that may belong to a crash. It cuts
// them into crashes.
type stream struct {
	emit     func(Log) // takes a complete crash
	source   uint64
	activity *list.Element // its place in finder.byActivity
	lastLine int           // its last line, by the number of lines that the finder had read

	arrived  []line // lines from which spacing has not been removed
	lines    []line // lines from which spacing has been removed
	consumed int    // how many of lines have been consumed, at most lookBack: they are kept for previousLine
	bytes    int    // the size of arrived, of lines and of the open crash

	orderVotes   int // above 0 if lines are in the order of time; below 0 if the latest comes first
	spacingVotes int // above 0 if a collector has put a blank line after each line

	crash    *openCrash // nil if none is open
	sawCrash bool       // one of the lines proves that a process died
	lostEnd  bool       // the crash to come was too long, and its last lines were dropped
}

const (
	batchLines   = 4096    // lines that are cut together
	batchBytes   = 8 << 20 // bytes that are cut together
	lookBack     = 4       // lines that are kept after they have been consumed
	margin       = 400     // lines at the end of a batch that are cut with the next batch
	lineOverhead = 64      // bytes that a line needs in addition to its text
)

// add adds a line. When there are enough lines, it cuts them into crashes.
func (s *stream) add(l unwrap.Line) {
	line := normalize(l)
	line.provesCrash = provesCrash(line)
	s.sawCrash = s.sawCrash || line.provesCrash
	s.arrived = append(s.arrived, line)
	if s.bytes += len(l.Text) + lineOverhead; len(s.arrived) >= batchLines || s.bytes >= batchBytes {
		s.cut(false)
	}
}

// normalize returns a line as the runtime prints it. Collectors remove or expand the tab at
// the beginning of a location, and put white space before other lines.
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

// finish completes the open crash. It returns the line in which that crash begins, or 0 if
// no crash was open.
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

// endCrash completes the open crash, if any.
func (s *stream) endCrash() {
	if s.crash != nil && s.crash.isCrash {
		s.emit(s.crash.Log)
	}
	s.crash = nil
}

// cut cuts lines into crashes. If all is false, more lines will come, and cut keeps the
// lines whose meaning may depend on them.
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

// cutForward cuts lines that are in the order of time. It keeps the lines that it does not
// cut and up to lookBack lines before them.
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

// drop drops the first n lines.
func (s *stream) drop(n int) {
	rest := copy(s.lines, s.lines[n:])
	clear(s.lines[rest:])
	s.lines = s.lines[:rest]
}

// cutBackward cuts lines that come latest first. It cuts up to the last line that can begin
// a crash. The lines after it belong to a crash whose beginning has not come yet.
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
		if n == 0 { // the crash is too long: drop its end, because its beginning says more
			s.drop(len(s.lines) / 2)
			s.lostEnd = true
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
		s.crash.Truncated, s.lostEnd = s.crash.Truncated || s.lostEnd, false
	}
	s.endCrash()
	s.drop(n)
}
