package unwrap

import (
	"bytes"
)

// MaxPrefix is the maximal length of a prefix, in bytes.
const MaxPrefix = 4 << 10

// Prefixes are compared by their shape. The shape leaves out what differs from line to line:
// numbers, dates, times and white space. It keeps what names a process: an Internet address,
// a number in brackets, as syslog writes a process ID, and a number after a name and a hyphen.

// shapeOf returns the shape of a prefix of lines of a source.
func shapeOf(text []byte, source uint64) uint64 {
	s := shaper{text: text, sum: fnvOffset ^ source*fnvPrime}
	for s.next() {
	}
	return s.sum
}

// A shaper computes the shapes of the beginnings of a text, token by token.
type shaper struct {
	text []byte
	at   int    // the end of the last token
	sum  uint64 // the shape of text[:at]

	last, before byte // the last token and the one before it: a class, or a byte that is its own class
	address      int  // the end of an Internet address that has begun
}

// Classes of tokens.
const (
	word        = 'a'
	varying     = '0' // a part of a number, date or time that differs from line to line
	identifying = 'n' // a number that names a process
)

// next takes the next token. It returns false at the end of the text.
func (s *shaper) next() bool {
	if s.at >= len(s.text) {
		return false
	}
	c := s.text[s.at]
	from := s.at
	s.at++
	if !isWord(c) {
		if c != ' ' {
			s.sum = (s.sum ^ uint64(c)) * fnvPrime
			s.before, s.last = s.last, c
		}
		return true
	}
	digits := isDigit(c)
	for s.at < len(s.text) && isWord(s.text[s.at]) {
		if b := s.text[s.at]; !isDigit(b) && b != 'T' && b != 'Z' {
			digits = false
		}
		s.at++
	}
	token := s.text[from:s.at]
	class := byte(word)
	if digits {
		if from >= s.address {
			s.address = from + addressEnd(s.text[from:])
		}
		class = varying
		if s.at <= s.address || s.last == '-' && (s.before == word || s.before == identifying) ||
			s.last == '[' && s.at < len(s.text) && s.text[s.at] == ']' {
			class = identifying
		}
	} else if len(token) == 3 && isMonth(token) {
		class = varying
	}
	if class == varying {
		s.sum = (s.sum ^ varying) * fnvPrime
	} else {
		for _, b := range token {
			s.sum = (s.sum ^ uint64(b)) * fnvPrime
		}
	}
	s.before, s.last = s.last, class
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || c == '_'
}

func isMonth(token []byte) bool {
	switch string(token) {
	case "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun":
		return true
	}
	return false
}

// addressEnd returns the length of the Internet address at the beginning of a text, or 0.
func addressEnd(text []byte) int {
	text = text[:min(len(text), 15)]
	n, at := 0, 0
	for ; n < 4; n++ {
		digits := len(text[at:]) - len(bytes.TrimLeft(text[at:], "0123456789"))
		if digits == 0 || digits > 3 {
			return 0
		}
		if at += digits; n < 3 {
			if at == len(text) || text[at] != '.' {
				return 0
			}
			at++
		}
	}
	return at
}

// A shapeFilter is a set of shapes. It may report some shapes that are not in it. Most
// beginnings of lines are not prefixes, and the filter rules them out without a lookup in a
// large map.
type shapeFilter struct {
	bits  [1 << 14]uint64
	added int // how many shapes were added
}

func (f *shapeFilter) add(shape uint64) {
	f.bits[shape>>50] |= 1 << (shape >> 44 & 63)
	f.added++
}

func (f *shapeFilter) has(shape uint64) bool { return f.bits[shape>>50]>>(shape>>44&63)&1 != 0 }
