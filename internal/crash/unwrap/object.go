package unwrap

import "bytes"

// Bounds on an object of JSON that is printed on many lines.
const (
	maxObjectBytes = 256 << 10 // bytes
	maxObjectLines = 2000
)

// objectJoiner joins the lines of an object of JSON that is printed with one member on
// each, as gcloud and jq do.
type objectJoiner struct {
	visit func(number int, text []byte)

	lines []joinedLine // of the object so far
	text  []byte       // of the lines
	depth int          // of brackets that are open
}

type joinedLine struct{ number, end int }

func (p *objectJoiner) line(number int, text []byte) {
	if len(p.lines) == 0 {
		if opensObject(text) {
			p.add(number, text)
			p.depth = 1
			return
		}
		p.visit(number, text)
		return
	}
	trimmed := bytes.TrimSpace(text)
	if !isMember(trimmed) || len(p.text)+len(text) > maxObjectBytes || len(p.lines) == maxObjectLines {
		p.flush()
		p.line(number, text)
		return
	}
	p.add(number, text)
	if p.depth += openBrackets(trimmed); p.depth <= 0 {
		joined, from := p.text[:0], 0
		for _, l := range p.lines {
			joined = append(joined, bytes.TrimSuffix(p.text[from:l.end], []byte("\n"))...)
			from = l.end
		}
		number := p.lines[0].number
		p.lines, p.text = p.lines[:0], p.text[:0]
		p.visit(number, joined)
	}
}

func (p *objectJoiner) add(number int, text []byte) {
	p.text = append(p.text, text...)
	p.lines = append(p.lines, joinedLine{number, len(p.text)})
}

// flush passes on lines that are not an object.
func (p *objectJoiner) flush() {
	from := 0
	for _, l := range p.lines {
		p.visit(l.number, p.text[from:l.end])
		from = l.end
	}
	p.lines, p.text = p.lines[:0], p.text[:0]
}

// opensObject reports whether a line is the first of an object.
func opensObject(text []byte) bool {
	if len(text) > 80 || bytes.IndexByte(text, '{') < 0 {
		return false
	}
	text = bytes.TrimLeft(bytes.TrimSpace(text), "[,")
	return len(bytes.TrimLeft(text, " ")) == 1
}

// isMember reports whether a line may be one of an object.
func isMember(text []byte) bool {
	if len(text) == 0 {
		return false
	}
	switch c := text[0]; {
	case c == '"':
		switch text[len(text)-1] {
		case ',', '"', '{', '[', '}', ']', 'e', 'l': // true, null
			return true
		}
		return text[len(text)-1] >= '0' && text[len(text)-1] <= '9'
	case c == '{' || c == '}' || c == ']' || c == '-' || c >= '0' && c <= '9':
		return true
	}
	return bytes.HasPrefix(text, []byte("true")) || bytes.HasPrefix(text, []byte("false")) || bytes.HasPrefix(text, []byte("null")) || string(text) == "[" || string(text) == "[{"
}

// openBrackets returns how many more openBrackets are opened than closed outside strings.
func openBrackets(text []byte) (n int) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			n++
		case c == '}' || c == ']':
			n--
		}
	}
	return n
}
