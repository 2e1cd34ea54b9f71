package unwrap

import (
	"strings"

	"splitadd/internal/crash/syntax"
)

// Bounds on what a scanner reads.
const (
	maxDepth = 32      // levels: deeper ones are skipped
	maxPaths = 1 << 14 // places in JSON, of all lines of a log together
	maxID    = 200     // bytes of a value that identifies a process
)

// A scanner reads JSON that may have been cut off at both ends.
type scanner struct {
	names  map[uint64]bool           // whether the member at a path identifies a process; shared by all lines
	record func(s *scanner, l level) // takes each record with its values, which are s.values[l.from:]

	levels []level
	values []value
	depth  int // how many brackets are open; more than len(levels) if some levels are skipped

	skippedCrash bool // something was skipped that may belong to a crash
}

// A level is an open object or array.
type level struct {
	array         bool
	path          uint64
	index         int    // the index of the next element
	key           uint64 // the path of the next member
	keyIdentifies bool   // the next member identifies a process
	keyUsual      bool   // the next member is one of usualMembers
	process       uint64 // a sum of hashes of the members that identify a process
	from          int    // the index of the level's first value in values
}

// A value is a string, without its quotes.
type value struct {
	path          uint64
	raw           []byte
	plain         bool // raw has no escapes
	inUsualMember bool // it is the value of one of usualMembers
}

// scan reads a text and passes its records on. A text that is cut off at its end is one more
// record.
func (s *scanner) scan(text []byte) {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			end := quoteEnd(text[i:])
			if end < 0 {
				end = len(text) - i // cut off
			}
			s.text(text[i+1:i+end], isKey(text[min(len(text), i+end+1):]))
			i += end
		case '{', '[':
			if c == '[' {
				if b, n := byteArray(text[i:]); n > 0 {
					s.value(value{path: s.next(), raw: b, plain: true}, false)
					i += n - 1
					continue
				}
			}
			s.open(c == '[')
		case '}', ']':
			if l, ok := s.close(); ok {
				s.record(s, l)
			}
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			from := i
			for i+1 < len(text) && strings.IndexByte("0123456789.eE+-", text[i+1]) >= 0 {
				i++
			}
			s.number(text[from : i+1])
		case ',':
			if n := len(s.levels); n > 0 && n == s.depth {
				s.levels[n-1].index++
			}
		}
	}
	rest := level{}
	for _, l := range s.levels {
		rest.process += l.process
	}
	s.record(s, rest)
}

// open opens a level.
func (s *scanner) open(array bool) {
	if s.depth++; s.depth > maxDepth {
		return
	}
	s.levels = append(s.levels, level{array: array, path: s.next(), from: len(s.values)})
}

// close closes a level. If the level is a record, close returns it and true.
func (s *scanner) close() (l level, record bool) {
	if s.depth == 0 || s.depth > maxDepth {
		s.depth = max(0, s.depth-1)
		return l, false
	}
	s.depth--
	n := len(s.levels) - 1
	l, s.levels = s.levels[n], s.levels[:n]
	if n == 0 || !l.array && s.levels[n-1].array {
		return l, true
	}
	s.levels[n-1].process += l.process
	return l, false
}

// next returns the path of the next value.
func (s *scanner) next() uint64 {
	n := len(s.levels)
	if n == 0 {
		return 1
	}
	l := &s.levels[n-1]
	switch {
	case !l.array:
		return l.key
	case n == 1: // the same for all parts of a long line
		return 1
	case n > 1 && s.levels[n-2].array: // for example a time and a text
		return hash(l.path, []byte{byte(l.index)})
	}
	return hash(l.path, []byte("[]"))
}

// text takes a string: the name of a member, or a value.
func (s *scanner) text(raw []byte, key bool) {
	n := len(s.levels)
	if s.depth > n {
		s.skippedCrash = s.skippedCrash || syntax.HasAnchor(raw)
		return
	}
	if n > 0 && key && !s.levels[n-1].array {
		l := &s.levels[n-1]
		l.key, l.keyUsual = hash(l.path, raw), usualMembers[string(raw)]
		var known bool
		if l.keyIdentifies, known = s.names[l.key]; !known {
			if l.keyIdentifies = identifies(raw); len(s.names) < maxPaths {
				s.names[l.key] = l.keyIdentifies
			}
		}
		return
	}
	s.value(value{path: s.next(), raw: raw, inUsualMember: n > 0 && s.levels[n-1].keyUsual}, n > 0 && s.levels[n-1].keyIdentifies)
}

// value takes a value. If its member identifies a process, it becomes part of what the level
// says about the process.
func (s *scanner) value(v value, identifies bool) {
	if s.depth > len(s.levels) {
		return
	}
	s.values = append(s.values, v)
	if identifies && len(v.raw) < maxID {
		s.levels[len(s.levels)-1].process += hash(v.path, v.raw)
	}
}

// number takes a number. It counts only if it identifies a process.
func (s *scanner) number(text []byte) {
	if n := len(s.levels); n > 0 && n == s.depth && s.levels[n-1].keyIdentifies && len(text) < 12 {
		s.levels[n-1].process += hash(s.next(), text)
	}
}
