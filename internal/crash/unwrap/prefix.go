package unwrap

import (
	"bytes"
	"strconv"
	"strings"

	"splitadd/internal/crash/syntax"
)

// Bounds on what a learner holds.
const (
	maxItems    = 8192    // lines
	kept        = 8       // when lines are passed on, 1 of 8 is kept, to learn from together with the next ones
	maxArena    = 4 << 20 // bytes
	maxPrefixes = 1 << 14
	maxUseless  = 1 << 19 // prefixes that one line had; then no more are learned
)

// A learner learns the prefixes of lines, and cuts them off. It looks at lines
// before it cuts any of them: a prefix is seen where a line of a crash begins whose
// first words are known, and is learned if it explains more lines than it breaks.
// So many prefixes as there are, a line is compared with all of them at once: by
// the shapes of what it begins with.
type learner struct {
	sink     Sink
	items    []item
	size     int                // bytes
	prefixes map[uint64]*prefix // by their shapes
	shapes   filter             // of the prefixes, and of some that have been forgotten
	seen     []uint64           // shapes of those that are not learned yet
	round    int                // how often it has learned
	useless  int                // prefixes forgotten that one line had
}

type item struct {
	Line
	kind  syntax.Kind // without taking off a prefix
	begin int         // where a line of a crash begins in it, or -1
	glue  bool        // something else was printed before it, without the end of a line
	at    int         // where the line of a crash begins, if it has no known prefix
}

// A prefix is what stands before lines of one source.
type prefix struct {
	spaces    int  // at its end
	quote     bool // what follows is quoted
	explained int  // lines of a crash after it, less lines of a crash as they are
	learned   bool
	used      int   // the last round in which a line had it
	cut       int   // how often it has been cut off
	lines     []int // those that it was seen in, at most maxGlued and one more
}

// maxGlued is how many crashes may begin after the same words of another line.
const maxGlued = 64

func (l *learner) add(line Line) {
	line.Text = bytes.Clone(line.Text)
	i := item{Line: line, kind: syntax.KindOf(syntax.Trim(line.Text)), begin: -1}
	if i.kind == syntax.None {
		i.begin = syntax.FindStart(line.Text, MaxPrefix)
		if i.begin < 0 && endsInGoroutine(line.Text) {
			l.sink.Skip(line.Number, LongPrefix)
		}
	}
	l.items = append(l.items, i)
	if l.size += len(line.Text); len(l.items) >= maxItems || l.size >= maxArena {
		l.flush(len(l.items) - len(l.items)/kept)
	}
}

// endsInGoroutine reports whether a line ends with the first line of a goroutine, as
// every crash has one, after more than a prefix may have.
func endsInGoroutine(text []byte) bool {
	if len(text) <= MaxPrefix || !bytes.HasSuffix(text, []byte("]:")) {
		return false
	}
	at := bytes.LastIndex(text, []byte("goroutine "))
	return at > MaxPrefix && syntax.IsGoroutine(text[at:])
}

// flush passes on the first n lines.
func (l *learner) flush(n int) {
	l.learn()
	for i := range l.items[:n] {
		item := &l.items[i]
		l.size -= len(item.Text)
		source, text := l.cut(item)
		if source == item.Source && (item.kind >= syntax.StackBounds || item.kind != syntax.None && len(text) < shortest) {
			l.sink.Line(Line{item.Number, source, text, item.kind})
			continue
		}
		split(text, func(text []byte) {
			l.sink.Line(Line{item.Number, source, text, syntax.KindOf(syntax.Trim(text))})
		})
	}
	rest := copy(l.items, l.items[n:])
	clear(l.items[rest:])
	l.items = l.items[:rest]
}

// learn learns from the lines. What it takes does not depend on how many prefixes
// are known, but when it forgets: then on those that have come since it did.
func (l *learner) learn() {
	l.round++
	if len(l.prefixes) > maxPrefixes || l.shapes.added > 4*maxPrefixes {
		l.forget()
	}
	l.seen = l.seen[:0]
	for i := range l.items {
		if l.items[i].glue, l.items[i].at = false, -1; l.items[i].begin > 0 {
			l.see(i)
		}
	}
	if len(l.seen) == 0 {
		return
	}
	for i := range l.items {
		l.judge(&l.items[i])
	}
	for _, shape := range l.seen {
		p := l.prefixes[shape]
		switch {
		case p.explained > 0 && p.explained <= len(p.lines) && l.glued(p.lines):
			for _, i := range p.lines {
				l.items[i].glue = true
			}
			delete(l.prefixes, shape)
		case p.explained > 0:
			p.learned, p.used, p.lines = true, l.round, nil
		default:
			delete(l.prefixes, shape)
		}
	}
}

// forget forgets prefixes that no line of the last round had, if there are many.
func (l *learner) forget() {
	many := len(l.prefixes) > maxPrefixes
	l.shapes = filter{}
	for shape, p := range l.prefixes {
		if many && p.used < l.round-1 {
			delete(l.prefixes, shape)
			l.sink.Forget(shape)
			if p.cut <= 1 {
				l.useless++
			}
			continue
		}
		l.shapes.add(shape)
	}
}

// see sees the prefix that a line has, if it has one that is not known.
func (l *learner) see(i int) {
	item := &l.items[i]
	at := item.begin
	if len(bytes.TrimSpace(item.Text[:at])) == 0 || isWord(item.Text[at-1]) && isWord(item.Text[at]) {
		return
	}
	before := item.Text[:at]
	quote := strings.IndexByte("\"'`", before[at-1]) >= 0
	if quote {
		before = before[:at-1]
	}
	spaces := len(before)
	if before = bytes.TrimRight(before, " "); len(before) == 0 {
		return
	}
	spaces -= len(before)
	shape := shapeOf(before, item.Source)
	p := l.prefix(shape)
	if p == nil && l.useless > maxUseless {
		l.sink.Skip(item.Number, ManyPrefixes)
		return
	}
	if p == nil {
		p = &prefix{spaces: spaces}
		l.seen = append(l.seen, shape)
		l.prefixes[shape] = p
		l.shapes.add(shape)
	}
	if p.learned {
		return
	}
	item.at = at
	p.quote = p.quote || quote
	if len(p.lines) <= maxGlued {
		p.lines = append(p.lines, i)
	}
}

// prefix returns the prefix of a shape, or nil.
func (l *learner) prefix(shape uint64) *prefix {
	if !l.shapes.has(shape) {
		return nil
	}
	return l.prefixes[shape]
}

// judge counts for each prefix that a line has whether it explains the line.
func (l *learner) judge(item *item) {
	known := item.kind != syntax.None
	l.each(item, func(shape uint64, end int) bool {
		p := l.prefix(shape)
		if p == nil {
			return true
		}
		rest := p.content(item.Text[end:])
		is := item.at >= 0 && item.at <= end+p.spaces+1 || syntax.KindOf(syntax.Trim(rest)) != syntax.None
		switch {
		case known:
			p.explained--
		case is:
			p.explained++
		}
		known = known || is
		return true
	})
}

// glued reports whether the text before lines is part of each line, not a prefix:
// each begins a crash that goes on without it. A process that is restarted dies after the same words.
func (l *learner) glued(lines []int) bool {
	if len(lines) > maxGlued {
		return false
	}
	for _, i := range lines {
		if !l.continues(i) {
			return false
		}
	}
	return true
}

// continues reports whether the line after one, of the same source, is of a crash
// without what stands before the one.
func (l *learner) continues(i int) bool {
	this := &l.items[i]
	looked := 0
	for j := i + 1; j < len(l.items) && looked < 3; j++ {
		next := &l.items[j]
		if next.Source != this.Source || len(bytes.TrimSpace(next.Text)) == 0 {
			continue
		}
		looked++
		if next.kind != syntax.None {
			return true
		}
	}
	return false
}

// each calls visit with the shapes of all that a line begins with, and where each
// ends, until it returns false.
func (l *learner) each(item *item, visit func(shape uint64, end int) bool) {
	s := shaper{text: item.Text[:min(len(item.Text), MaxPrefix)], sum: fnvOffset ^ item.Source*fnvPrime}
	for s.next() {
		if s.text[s.at-1] != ' ' && !visit(s.sum, s.at) {
			return
		}
	}
}

// cut cuts the prefix off a line: the first that shows a line of a crash, or else
// the longest.
func (l *learner) cut(item *item) (source uint64, text []byte) {
	source, text = item.Source, item.Text
	if item.glue {
		return source, text[item.at:]
	}
	if item.kind != syntax.None || len(l.prefixes) == 0 {
		return source, text
	}
	l.each(item, func(shape uint64, end int) bool {
		p := l.prefix(shape)
		if p == nil {
			return true
		}
		p.used = l.round
		p.cut++
		source = shape
		rest := item.Text[end:]
		for n := 0; n < p.spaces && len(rest) > 0 && rest[0] == ' '; n++ {
			rest = rest[1:]
		}
		text = p.content(rest)
		return syntax.KindOf(syntax.Trim(text)) == syntax.None
	})
	return source, text
}

// content returns what follows a prefix, without quotes.
func (p *prefix) content(rest []byte) []byte {
	if !p.quote {
		return rest
	}
	trimmed := bytes.TrimLeft(rest, " ")
	if len(trimmed) == 0 {
		return rest
	}
	switch c := trimmed[0]; c {
	case '"':
		if quoted, err := strconv.QuotedPrefix(string(trimmed)); err == nil {
			if s, err := strconv.Unquote(quoted); err == nil {
				return []byte(s)
			}
		}
		end := quoteEnd(trimmed)
		if end < 0 {
			end = len(trimmed)
		}
		return unescape(trimmed[1:end])
	case '\'', '`':
		if end := bytes.LastIndexByte(trimmed, c); end > 0 {
			return trimmed[1:end]
		}
		return trimmed[1:]
	}
	return rest
}
