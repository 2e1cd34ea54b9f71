// Package unwrap reads logs line by line and removes what log collectors put around the lines
// that a process printed: prefixes, JSON and quotes.
//
// A log may hold the output of several processes. Read gives each line the number of its
// source. Lines that are wrapped in the same way have the same source. Read learns prefixes
// from the lines of crashes, because it knows how those begin. The time that Read needs is
// proportional to the length of the log, and its memory is bounded.
package unwrap

import (
	"bytes"
	"io"
	"regexp"
	"strings"

	"splitadd/internal/crash/syntax"
)

// A Line is a line that a process printed, without what was put around it.
type Line struct {
	Number int         // the number of the line in the input, from 1
	Source uint64      // the same for all lines of a process, because they are wrapped alike
	Text   []byte      // the line without its end
	Kind   syntax.Kind // the kind of Text without leading white space
}

// A Sink takes what Read finds in a log.
type Sink interface {
	// Line takes a line that may belong to a crash, or is near such a line. The lines of one
	// source come in the order of the log.
	Line(Line)
	// Forget says that the prefix of a source is forgotten. Lines of the source are
	// recognized again after a line that begins some part of a crash.
	Forget(source uint64)
	// Skip says that a line was not read although it may belong to a crash.
	Skip(number int, why SkipReason)
}

// A SkipReason says why a line was not read.
type SkipReason int

const (
	ComplexJSON     SkipReason = iota // it has JSON that is too deep or has too many different members
	TooManyPrefixes                   // it has a prefix, and too many prefixes were on one line only
	PrefixTooLong                     // it has a prefix that is longer than MaxPrefix
)

// Read reads a log. The memory that it needs does not depend on the length of the log or of
// its lines.
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

// An unwrapper takes lines out of JSON and logfmt.
type unwrapper struct {
	emit func(Line)
	skip func(number int, why SkipReason)
	// linePlaces are the paths in JSON at which a line of a crash has been seen.
	linePlaces map[uint64]bool
	// nameCache says of members, by their paths, whether they identify a process.
	nameCache map[uint64]bool
}

// terminalEscape matches what controls a terminal: colours, links, and the marks of CI
// services.
var terminalEscape = regexp.MustCompile("\x1b(?:\\[[0-9;?]*[A-Za-z]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|_[^\x07]*\x07)")

func (u *unwrapper) line(number int, text []byte) { u.unwrap(Line{Number: number, Text: text}, 0) }

const maxNested = 3 // levels of JSON in a string of JSON

// unwrap takes the lines out of a line. The line may hold JSON or logfmt, and a string in it
// may hold JSON again.
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
	if at, text := logfmtField(l.Text); at > 0 && depth < maxNested && syntax.KindOf(syntax.Trim(l.Text)) == syntax.None {
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

// stripTerminal returns a line without its end, without escapes for a terminal, and without
// the spaces that fill the line of a terminal.
func stripTerminal(text []byte) []byte {
	if bytes.IndexByte(text, 0x1b) >= 0 {
		text = terminalEscape.ReplaceAll(text, nil)
	}
	text = trimEnd(text, " \r\n")
	if i := bytes.LastIndexByte(text, '\r'); i >= 0 && i < len(text)-1 { // a terminal shows only what follows
		text = text[i+1:]
	}
	return text
}

// trimEnd is like bytes.TrimRight, but faster if there are few bytes to remove.
func trimEnd(text []byte, few string) []byte {
	for len(text) > 0 && strings.IndexByte(few, text[len(text)-1]) >= 0 {
		text = text[:len(text)-1]
	}
	return text
}

// jsonStart returns the index at which JSON begins in a line, or -1. An object may have up to
// MaxPrefix bytes before it, and must end with the line. An array or a string must be the
// whole line.
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

// minCutJSON is the minimal length of a line of JSON that may have been cut off, in bytes.
const minCutJSON = 1000

// hash continues a hash with a text. Hashes may be added to each other.
func hash(seed uint64, text []byte) uint64 {
	h := fnvOffset ^ seed*fnvPrime
	for _, c := range text {
		h = (h ^ uint64(c)) * fnvPrime
	}
	return mix(h)
}

// mix makes every bit of a hash depend on all of its bits.
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)
