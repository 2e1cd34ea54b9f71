package unwrap

import (
	"bytes"

	"splitadd/internal/crash/syntax"
)

// splitLines visits the lines in a line of a log. They may be separated by "\n", by an escaped
// newline, as rsyslog writes "#012", or by nothing if their ends were lost.
func splitLines(text []byte, visit func(text []byte)) {
	if bytes.IndexByte(text, '#') >= 0 || bytes.IndexByte(text, '\\') >= 0 {
		if lines, ok := splitEscaped(text); ok {
			for _, line := range lines {
				visit(line)
			}
			return
		}
	}
	if bytes.IndexByte(text, '\n') >= 0 {
		for more := true; more; {
			var line []byte
			line, text, more = bytes.Cut(text, []byte("\n"))
			visit(bytes.TrimRight(line, "\r"))
		}
		return
	}
	if len(text) > minJoined && isJoined(text) {
		for _, line := range bytes.Split(unjoin(text), []byte("\n")) {
			visit(line)
		}
		return
	}
	visit(text)
}

// splitEscaped splits a text with splitEscaped control characters into lines.
func splitEscaped(text []byte) (lines [][]byte, ok bool) {
	trimmed := bytes.TrimLeft(text, " ")
	for _, tab := range []string{"#011", `\t`, `\\t`, "^I"} {
		if rest, is := bytes.CutPrefix(trimmed, []byte(tab)); is && syntax.IsLocation(rest) {
			return [][]byte{append([]byte{'\t'}, rest...)}, true
		}
	}
	for _, e := range []struct{ line, tab string }{{"#012", "#011"}, {`\\n`, `\\t`}, {`\n`, `\t`}} {
		if !bytes.Contains(text, []byte(e.line)) || !syntax.HasAnchor(text) && !syntax.HasAny(text, ".go:", ".s:") {
			continue
		}
		text = bytes.ReplaceAll(text, []byte(e.tab), []byte("\t"))
		if e.line != "#012" {
			text = bytes.ReplaceAll(text, []byte(`\"`), []byte(`"`))
		}
		return bytes.Split(text, []byte(e.line)), true
	}
	return nil, false
}

// minJoined is the length of the shortest line that may have been several, in bytes.
const minJoined = 60

// isJoined reports whether the ends of lines were lost in a text: something follows the first
// line of a goroutine, or there is more than one location.
func isJoined(text []byte) bool {
	if bytes.Contains(text, []byte("]:")) && callFollowsHeader(text) {
		return true
	}
	if bytes.Count(text, []byte(".go:"))+bytes.Count(text, []byte(".s:")) < 2 {
		return false
	}
	one, ok := nextLocation(text, 0)
	if ok {
		_, ok = nextLocation(text, one.end)
	}
	return ok
}

// callFollowsHeader reports whether a call follows the first line of a goroutine in a text.
func callFollowsHeader(text []byte) bool {
	const name = "goroutine "
	for {
		i := bytes.Index(text, []byte(name))
		if i < 0 {
			return false
		}
		text = text[i:]
		if end := headerEnd(text); end > 0 {
			rest := bytes.TrimLeft(bytes.TrimLeft(text[end:], " "), "\t")
			for i, c := range rest {
				if isSpace(c) || c == '{' {
					break
				}
				if c == '(' && i > 0 {
					return true
				}
			}
		}
		text = text[len(name):]
	}
}

// lineStarts are the texts at which unjoin begins a new line, by their first byte.
var lineStarts = map[byte][]string{
	'g': {"goroutine "}, 'r': {"runtime stack:", "runtime: g"}, 'f': {"fatal error: "}, 'p': {"panic: "}, '[': {"[signal "}, 'P': {"PC=0x"},
	'S': {"SIG"}, 'c': {"created by "}, 's': {"stack=[0x", "stack: frame="}, 'e': {"exit status "},
}

// lineStart returns how much of a text certainly belongs to one line if a line begins at the
// beginning of the text, or 0. whole is true if that is the whole line.
func lineStart(text []byte) (length int, whole bool) {
	for _, b := range lineStarts[text[0]] {
		rest, is := bytes.CutPrefix(text, []byte(b))
		if !is {
			continue
		}
		length, is = len(b), true
		switch b {
		case "goroutine ", "runtime stack:":
			return headerEnd(text), true
		case "runtime: g":
			rest = bytes.TrimPrefix(rest, []byte(" "))
			is = len(rest) > 0 && isDigit(rest[0])
		case "exit status ":
			is = len(rest) > 0 && isDigit(rest[0])
		case "[signal ":
			length += signalEnd(rest)
		case "SIG":
			n := signalEnd(text)
			is = n > 0 && n < len(text) && text[n] >= 'a' && text[n] <= 'z'
		}
		if is {
			return length, false
		}
	}
	return 0, false
}

// signalEnd returns the length of the name of a signal and the colon and space after it, at the
// beginning of a text, or 0.
func signalEnd(text []byte) int {
	name, ok := bytes.CutPrefix(text[:min(len(text), 20)], []byte("SIG"))
	if !ok {
		return 0
	}
	rest := bytes.TrimLeft(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	if len(rest) == len(name) || !bytes.HasPrefix(rest, []byte(": ")) {
		return 0
	}
	return len("SIG") + len(name) - len(rest) + len(": ")
}

// unjoin separates lines whose ends were lost.
func unjoin(text []byte) []byte {
	u := unjoiner{out: make([]byte, 0, len(text)+len(text)/4)}
	last := 0
	for {
		p, ok := nextLocation(text, last)
		if !ok {
			break
		}
		u.text(text[last:p.from])
		u.line(text[p.file:lineEnd(text, p)])
		last = p.end
		if rest := text[p.extra:]; p.end == p.extra && bytes.HasPrefix(rest, []byte("reated by ")) && p.extra > p.offset && text[p.extra-1] == 'c' {
			last--
		}
	}
	u.text(text[last:])
	return bytes.TrimSuffix(u.out, []byte("\n"))
}

// lineEnd returns the index after the line that ends with a location. If nothing separates the
// offset from the text after it, digits of that text may look like a part of the offset. Then
// the line ends before the offset.
func lineEnd(text []byte, p location) int {
	rest := text[p.extra:]
	switch {
	case p.extra == p.offset || p.end > p.extra || len(rest) == 0 || !isWord(rest[0]) ||
		bytes.HasPrefix(rest, []byte("main.")) || bytes.HasPrefix(rest, []byte("runtime.")) || bytes.HasPrefix(rest, []byte("goroutine ")):
		if p.extra == p.offset {
			return p.offset // without an offset there are no addresses
		}
		return p.end
	case bytes.HasPrefix(rest, []byte("reated by ")) && text[p.extra-1] == 'c':
		return p.extra - 1
	}
	return p.offset
}

// An unjoiner collects the separated lines.
type unjoiner struct{ out []byte }

// text adds the lines of a text without locations.
func (u *unjoiner) text(text []byte) {
	from := 0
	for i := 0; i < len(text); i++ {
		if text[i] == '\n' {
			u.line(text[from:i])
			from = i + 1
			continue
		}
		length, whole := lineStart(text[i:])
		if length == 0 {
			continue
		}
		u.line(text[from:i])
		from = i
		if i += length; whole {
			u.line(text[from:i])
			from = i
		}
		i--
	}
	u.line(text[from:])
}

// line adds a line unless it is blank.
func (u *unjoiner) line(line []byte) {
	trimmed := bytes.TrimSpace(line)
	if len(trimmed) == 0 {
		return
	}
	if syntax.IsLocation(trimmed) {
		u.out = append(u.out, '\t')
	} else if k := syntax.KindOf(trimmed); k == syntax.Goroutine || k == syntax.RuntimeStack {
		u.out = append(u.out, '\n')
	}
	u.out = append(append(u.out, trimmed...), '\n')
}
