package unwrap

import (
	"bytes"

	"splitadd/internal/crash/syntax"
)

// json calls emit with the strings in JSON that may be lines of a crash, and with a hash of
// where each stands: of the names of the members that lead to it, and of what its record says
// about the process that printed it. A record is an object that is an element of an array, or
// the whole text. The number is that of the line that the text is from. json reports whether
// the text is JSON.
func (u *unwrapper) json(number int, text []byte, emit func(path uint64, text []byte)) bool {
	if !looksLikeJSON(text) {
		return false
	}
	s := scanner{names: u.nameCache, record: func(s *scanner, l level) { u.record(s, l, emit) }}
	s.scan(text)
	if s.skippedCrash {
		u.skip(number, ComplexJSON)
	}
	return true
}

// looksLikeJSON reports whether a text begins as JSON does. A string must be all of the text.
func looksLikeJSON(text []byte) bool {
	if text[0] == '"' {
		end := quoteEnd(text)
		return end >= 0 && len(bytes.TrimRight(text[end+1:], " \t,;")) == 0
	}
	next := bytes.TrimLeft(text[1:], " \t[{")
	return len(next) > 0 && (next[0] == '"' || text[0] != '{')
}

// record emits the strings of a record that has been read. It ignores a string at a place
// where no line of a crash has been seen yet, unless the string may be one.
func (u *unwrapper) record(s *scanner, l level, emit func(path uint64, text []byte)) {
	var shown [8][]byte
	n := 0
values:
	for _, v := range s.values[l.from:] {
		text := v.raw
		if !v.plain {
			text = unescape(v.raw)
		}
		if !u.linePlaces[v.path] {
			full, is := len(u.linePlaces) >= maxPaths, mayBeCrash(text)
			if full || !is && !v.inUsualMember {
				s.skippedCrash = s.skippedCrash || full && is
				continue
			}
			u.linePlaces[v.path] = true
		}
		text = bytes.TrimRight(text, "\r\n")
		for _, other := range shown[:n] { // a collector may store the same line twice
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

// mayBeCrash reports whether a text may be a line of a crash.
func mayBeCrash(text []byte) bool {
	return syntax.HasAnchor(text) || syntax.KindOf(bytes.TrimSpace(text)) == syntax.Call
}

// usualMembers are the names of members, and of fields of logfmt, that usually hold the line
// of a log.
var usualMembers = map[string]bool{
	"log": true, "msg": true, "message": true, "MESSAGE": true, "textPayload": true, "line": true, "text": true, "stderr": true, "stdout": true,
	"output": true, "error": true, "err": true, "body": true, "content": true, "event": true, "raw": true, "_raw": true, "panic": true, "stack": true,
	"stacktrace": true, "stack_trace": true, "exception": true, "@message": true, "Message": true, "Log": true, "data": true, "Output": true,
}

// identifies reports whether collectors give a member with this name a value that tells one
// process from another.
func identifies(name []byte) bool {
	lower := bytes.ToLower(name)
	return syntax.HasAny(lower, "pod", "container", "host", "instance", "stream", "unit", "pid", "task", "node", "service", "app", "allocation") &&
		!syntax.HasAny(lower, "time", "offset", "stamp", "created", "restart", "message", "cursor")
}
