package unwrap

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"splitadd/internal/crash/syntax"
)

// Bounds on what is read of JSON.
const (
	maxDepth = 32      // of what is read; what is deeper is passed over
	maxPaths = 1 << 14 // places in it, of all lines
	maxID    = 200     // bytes of what identifies a process
)

// A scanner reads JSON that may have been cut off at both ends.
type scanner struct {
	names  map[uint64]bool // of those that have been read, by where they stand: whether they name a process
	levels []level
	values []value // of the record
	depth  int     // of brackets that are open; more than the levels where it is too deep

	skippedCrash bool // what may be of a crash was passed over, because of a bound
}

// A level is an object or an array that is open.
type level struct {
	array         bool
	path          uint64
	index         int    // of the next element
	key           uint64 // of the next member, and whether it names a process
	keyIdentifies bool
	keyUsual      bool   // and whether it usually holds the line of a log
	process       uint64 // what its members say of the process; their order does not matter
	from          int    // the first of its values in found
}

// A value is a string, between its quotes.
type value struct {
	path uint64
	raw  []byte
	read bool // nothing in it is escaped
	// Its member has a name under which collectors put the line of a log.
	usual bool
}

// json calls emit with the strings in JSON that may be lines of a crash, and where
// they stand: a hash of the members' names and of what the record says of which
// process it is. A record is an object that is an element of an array, or the
// whole. It reports whether the text, of the line with that number, is JSON.
func (u *unwrapper) json(number int, text []byte, emit func(path uint64, text []byte)) bool {
	if text[0] == '"' {
		end := quoteEnd(text)
		if end < 0 || len(bytes.TrimRight(text[end+1:], " \t,;")) > 0 {
			return false
		}
	} else if next := bytes.TrimLeft(text[1:], " \t[{"); len(next) == 0 || next[0] != '"' && text[0] == '{' {
		return false
	}
	s := scanner{names: u.nameCache}
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
					s.value(value{path: s.next(), raw: b, read: true}, false)
					i += n - 1
					continue
				}
			}
			s.open(c == '[')
		case '}', ']':
			if l, ok := s.close(); ok {
				u.record(&s, l, emit)
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
	for _, l := range s.levels { // cut off
		rest.process += l.process
	}
	u.record(&s, rest, emit)
	if s.skippedCrash {
		u.skip(number, ComplexJSON)
	}
	return true
}

// record emits the strings of a record that has been read.
func (u *unwrapper) record(s *scanner, l level, emit func(path uint64, text []byte)) {
	var shown [8][]byte
	n := 0
values:
	for _, v := range s.values[l.from:] {
		text := v.raw
		if !v.read {
			text = unescape(v.raw)
		}
		if !u.linePlaces[v.path] {
			full, is := len(u.linePlaces) >= maxPaths, mayBeCrash(text)
			if full || !is && !v.usual {
				s.skippedCrash = s.skippedCrash || full && is
				continue
			}
			u.linePlaces[v.path] = true
		}
		text = bytes.TrimRight(text, "\r\n")
		for _, other := range shown[:n] { // a collector has copied it
			if bytes.Equal(other, text) && len(text) > 0 {
				continue values
			}
		}
		if n < len(shown) {
			shown[n] = text
			n++
		}
		emit(v.path^l.process, text)
	}
	s.values = s.values[:l.from]
}

// mayBeCrash reports whether a text may be of a crash.
func mayBeCrash(text []byte) bool {
	return syntax.HasAnchor(text) || syntax.KindOf(bytes.TrimSpace(text)) == syntax.Call
}

func (s *scanner) open(array bool) {
	if s.depth++; s.depth > maxDepth {
		return
	}
	s.levels = append(s.levels, level{array: array, path: s.next(), from: len(s.values)})
}

// close closes a level, and returns it if it was a record.
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

// next returns where the next value stands.
func (s *scanner) next() uint64 {
	n := len(s.levels)
	if n == 0 {
		return 1
	}
	l := &s.levels[n-1]
	switch {
	case !l.array:
		return l.key
	case n == 1: // the same for the parts of a line that has been cut
		return 1
	case n > 1 && s.levels[n-2].array: // a time and a text, say
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
	s.value(value{path: s.next(), raw: raw, usual: n > 0 && s.levels[n-1].keyUsual}, n > 0 && s.levels[n-1].keyIdentifies)
}

func (s *scanner) value(v value, names bool) {
	if s.depth > len(s.levels) {
		return
	}
	s.values = append(s.values, v)
	if names && len(v.raw) < maxID {
		s.levels[len(s.levels)-1].process += hash(v.path, v.raw)
	}
}

func (s *scanner) number(text []byte) {
	if n := len(s.levels); n > 0 && n == s.depth && s.levels[n-1].keyIdentifies && len(text) < 12 {
		s.levels[n-1].process += hash(s.next(), text)
	}
}

// usualMembers are the names of members, and of fields of logfmt, that hold lines of logs.
var usualMembers = map[string]bool{
	"log": true, "msg": true, "message": true, "MESSAGE": true, "textPayload": true, "line": true, "text": true, "stderr": true, "stdout": true,
	"output": true, "error": true, "err": true, "body": true, "content": true, "event": true, "raw": true, "_raw": true, "panic": true, "stack": true,
	"stacktrace": true, "stack_trace": true, "exception": true, "@message": true, "Message": true, "Log": true, "data": true, "Output": true,
}

// identifies reports whether a member's name is one under which collectors put
// what tells one process from another.
func identifies(name []byte) bool {
	lower := bytes.ToLower(name)
	return syntax.HasAny(lower, "pod", "container", "host", "instance", "stream", "unit", "pid", "task", "node", "service", "app", "allocation") &&
		!syntax.HasAny(lower, "time", "offset", "stamp", "created", "restart", "message", "cursor")
}

func isKey(rest []byte) bool {
	rest = bytes.TrimLeft(rest[:min(len(rest), 8)], " \t")
	return len(rest) > 0 && rest[0] == ':'
}

// quoteEnd returns where the quote ends with which a text begins, or -1.
func quoteEnd(text []byte) int {
	for i := 1; i < len(text); {
		n := bytes.IndexByte(text[i:], '"')
		if n < 0 {
			return -1
		}
		i += n
		slashes := 0
		for text[i-1-slashes] == '\\' && i-1-slashes > 0 {
			slashes++
		}
		if slashes%2 == 0 {
			return i
		}
		i++
	}
	return -1
}

// byteArray reads an array of the bytes of a text, as journalctl prints one that has
// control characters in it. n is the array's length in the input, 0 if it is none.
func byteArray(text []byte) (b []byte, n int) {
	value, digits := 0, 0
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c >= '0' && c <= '9' && digits < 3:
			value, digits = 10*value+int(c-'0'), digits+1
		case c == ' ':
		case (c == ',' || c == ']') && digits > 0 && value < 256:
			b = append(b, byte(value))
			value, digits = 0, 0
			if c == ']' {
				return b, i + 1
			}
		default:
			return nil, 0
		}
	}
	return nil, 0
}

// unescape returns what a string of JSON says; what is wrongly escaped stays.
func unescape(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' || i+1 == len(raw) {
			out = append(out, raw[i])
			continue
		}
		i++
		switch c := raw[i]; c {
		case 'n':
			out = append(out, '\n')
		case 't':
			out = append(out, '\t')
		case 'r':
			out = append(out, '\r')
		case 'b', 'f', 'v', 'a':
		case 'x':
			if n, err := strconv.ParseUint(string(raw[min(len(raw), i+1):min(len(raw), i+3)]), 16, 8); err == nil {
				out = append(out, byte(n))
				i += 2
			}
		case 'u':
			r := hexRune(raw[i+1:])
			if r < 0 {
				out = append(out, '\\', 'u')
				continue
			}
			i += 4
			if utf16.IsSurrogate(r) && i+6 < len(raw) && raw[i+1] == '\\' {
				if low := hexRune(raw[i+3:]); low >= 0 {
					r = utf16.DecodeRune(r, low)
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
	}
	return out
}

func hexRune(text []byte) rune {
	if len(text) < 4 {
		return -1
	}
	n, err := strconv.ParseUint(string(text[:4]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}
