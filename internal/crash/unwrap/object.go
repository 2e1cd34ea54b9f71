package unwrap

import "bytes"

// Bounds on a JSON object that is printed on many lines.
const (
	maxObjectBytes = 256 << 10
	maxObjectLines = 2000
)

// An objectJoiner joins the lines of a JSON object that is printed with one member on each
// line, as gcloud and jq print it. It passes on all other lines as they are.
type objectJoiner struct {
	visit func(number int, text []byte)

	lines []joinedLine // the lines of the open object
	text  []byte       // their texts
	depth int          // how many brackets are open
}

// A joinedLine is a line of the open object: its number, and where it ends in the text.
type joinedLine struct{ number, end int }

// line takes a line.
func (j *objectJoiner) line(number int, text []byte) {
	if len(j.lines) == 0 {
		if opensObject(text) {
			j.add(number, text)
			j.depth = 1
			return
		}
		j.visit(number, text)
		return
	}
	trimmed := bytes.TrimSpace(text)
	if !isMember(trimmed) || len(j.text)+len(text) > maxObjectBytes || len(j.lines) == maxObjectLines {
		j.flush()
		j.line(number, text)
		return
	}
	j.add(number, text)
	if j.depth += openBrackets(trimmed); j.depth <= 0 {
		joined, from := j.text[:0], 0
		for _, l := range j.lines {
			joined = append(joined, bytes.TrimSuffix(j.text[from:l.end], []byte("\n"))...)
			from = l.end
		}
		number := j.lines[0].number
		j.lines, j.text = j.lines[:0], j.text[:0]
		j.visit(number, joined)
	}
}

// add adds a line to the open object.
func (j *objectJoiner) add(number int, text []byte) {
	j.text = append(j.text, text...)
	j.lines = append(j.lines, joinedLine{number, len(j.text)})
}

// flush passes on the lines that look like a part of an object, but are not one.
func (j *objectJoiner) flush() {
	from := 0
	for _, l := range j.lines {
		j.visit(l.number, j.text[from:l.end])
		from = l.end
	}
	j.lines, j.text = j.lines[:0], j.text[:0]
}

// opensObject reports whether a line may be the first of an object on many lines.
func opensObject(text []byte) bool {
	if len(text) > 80 || bytes.IndexByte(text, '{') < 0 {
		return false
	}
	text = bytes.TrimLeft(bytes.TrimSpace(text), "[,")
	return len(bytes.TrimLeft(text, " ")) == 1
}

// isMember reports whether a line may belong to an object on many lines.
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

// openBrackets returns how many more brackets a line opens than it closes, outside of strings.
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
