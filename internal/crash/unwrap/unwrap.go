// Package unwrap reads logs line by line and takes off what log collectors put around
// the lines that a process printed: prefixes, JSON, quotes.
//
// A log may hold the output of several processes. Read gives each line the number of
// its source: lines that are wrapped alike have the same source. Prefixes are learned from
// the lines of crashes, whose beginnings are known. Time is proportional to the length of
// the log; memory is bounded.
package unwrap

import (
	"bytes"
	"io"
	"regexp"
	"strings"

	"splitadd/internal/crash/syntax"
)

// A Line is what a process printed, without what was put around it.
type Line struct {
	Number int         // of the input, from 1
	Source uint64      // the same for lines that are wrapped alike: those of one process
	Text   []byte      // without the line's end
	Kind   syntax.Kind // of the text without leading white space
}

// A Sink takes what Read finds in a log.
type Sink interface {
	// Line takes a line that may belong to a crash, or is near to one: those of a
	// source in the order in which they come.
	Line(Line)
	// Forget says that the prefix of a source has been forgotten. More lines of the
	// source are recognized only after one with which a part of a crash begins.
	Forget(source uint64)
	// Skip says that a line, by its number, may be of a crash and was not read.
	Skip(number int, why SkipReason)
}

// SkipReason says why a line was not read.
type SkipReason int

const (
	ComplexJSON     SkipReason = iota // JSON that is too deep, or at too many places
	TooManyPrefixes                   // it has a prefix, and there are too many that one line has
	PrefixTooLong                     // its prefix is longer than MaxPrefix
)

// Read reads a log. What it holds in memory does not depend on the length of the
// log, or of its lines.
func Read(from io.Reader, to Sink) error {
	l := &prefixLearner{sink: to, prefixes: map[uint64]*prefix{}}
	u := &unwrapper{emit: l.add, skip: to.Skip, linePlaces: map[uint64]bool{}, nameCache: map[uint64]bool{}}
	n := &contextFilter{visit: u.line}
	p := &objectJoiner{visit: n.line}
	err := readLines(from, p.line)
	p.flush()
	l.flush(len(l.items))
	return err
}

// An unwrapper takes lines out of JSON.
type unwrapper struct {
	emit func(Line)
	skip func(number int, why SkipReason)
	// The places in JSON at which a line of a crash has been seen. What stands in
	// others is not looked at further.
	linePlaces map[uint64]bool
	nameCache  map[uint64]bool // of members, by their places: whether they name a process
}

// terminalEscape matches what a terminal is told: colours, and the links and marks of CI.
var terminalEscape = regexp.MustCompile("\x1b(?:\\[[0-9;?]*[A-Za-z]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|_[^\x07]*\x07)")

func (u *unwrapper) line(number int, text []byte) { u.unwrap(Line{Number: number, Text: text}, 0) }

const maxNested = 3 // JSON in a string of JSON

// unwrap takes a line out of what is in it.
func (u *unwrapper) unwrap(l Line, depth int) {
	l.Text = stripTerminal(l.Text)
	if at := jsonStart(l.Text); at >= 0 && depth < maxNested {
		source := l.Source
		if at > 0 {
			source = shapeOf(l.Text[:at], source)
		}
		if u.json(l.Number, l.Text[at:], func(path uint64, text []byte) {
			for more := true; more; {
				var line []byte
				line, text, more = bytes.Cut(text, []byte("\n"))
				u.unwrap(Line{Number: l.Number, Source: path ^ source, Text: line}, depth+1)
			}
		}) {
			return
		}
	}
	if at, text := field(l.Text); at > 0 && depth < maxNested && syntax.KindOf(syntax.Trim(l.Text)) == syntax.None {
		l.Source, l.Text = shapeOf(l.Text[:at], l.Source), text
		for more := true; more; {
			var line []byte
			line, text, more = bytes.Cut(text, []byte("\n"))
			u.unwrap(Line{Number: l.Number, Source: l.Source, Text: line}, depth+1)
		}
		return
	}
	u.emit(l)
}

// stripTerminal returns a line without a terminal's escapes, the end of a line, and the
// spaces with which a terminal is filled.
func stripTerminal(text []byte) []byte {
	if bytes.IndexByte(text, 0x1b) >= 0 {
		text = terminalEscape.ReplaceAll(text, nil)
	}
	text = trimEnd(text, " \r\n")
	if i := bytes.LastIndexByte(text, '\r'); i >= 0 && i < len(text)-1 { // what was printed over the rest of the line
		text = text[i+1:]
	}
	return text
}

// trimEnd does what bytes.TrimRight does, faster for a few bytes at the end.
func trimEnd(text []byte, few string) []byte {
	for len(text) > 0 && strings.IndexByte(few, text[len(text)-1]) >= 0 {
		text = text[:len(text)-1]
	}
	return text
}

// jsonStart returns where an object of JSON begins, after at most MaxPrefix bytes,
// with which the line ends; or 0 for an array or a string that is the line; or
// -1.
func jsonStart(text []byte) int {
	trimmed := trimEnd(text, " \t,;'")
	if len(trimmed) < 3 {
		return -1
	}
	switch last := trimmed[len(trimmed)-1]; {
	case last != '}' && last != ']' && last != '"' && len(text) < minCutJSON:
		return -1
	}
	first := bytes.TrimLeft(text, " \t,")
	if first[0] == '[' && len(first) > 1 && (first[1] == '{' || first[1] == '[' && len(first) > 2 && first[2] == '"' || first[1] == '"') || first[0] == '"' || first[0] == '{' {
		return len(text) - len(first)
	}
	i := bytes.Index(text[:min(len(text), MaxPrefix)], []byte(`{"`))
	if i > 0 && bytes.Contains(text[i:min(len(text), i+200)], []byte(`":`)) {
		return i
	}
	return -1
}

// minCutJSON is the length from which a line of JSON may have been cut off, bytes.
const minCutJSON = 1000

// hash continues a hash with a text. Hashes may be added up.
func hash(seed uint64, text []byte) uint64 {
	h := fnvOffset ^ seed*fnvPrime
	for _, c := range text {
		h = (h ^ uint64(c)) * fnvPrime
	}
	return mix(h)
}

// mix makes every bit of a hash depend on all.
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)
