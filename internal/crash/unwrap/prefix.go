package unwrap

import (
	"bytes"
	"strconv"

	"splitadd/internal/crash/syntax"
)

// Bounds on what a prefixLearner holds.
const (
	maxItems     = 8192    // lines
	keepShare    = 8       // one line in keepShare is kept after learning, to learn from it together with later lines
	maxItemBytes = 4 << 20 // bytes of lines
	maxPrefixes  = 1 << 14
	maxUsedOnce  = 1 << 19 // forgotten prefixes that at most one line had: after so many, no prefix is learned
)

// A prefixLearner learns the prefixes of lines and removes them. It collects lines before it
// removes anything. If a line has the beginning of a line of a crash after some other text,
// that text is a candidate. A candidate is learned as a prefix if it explains more lines than
// it contradicts.
//
// There may be many prefixes. A line is compared with all of them at once, by looking up the
// shape of each of its beginnings.
type prefixLearner struct {
	sink       Sink
	items      []item
	size       int                // bytes of the items
	prefixes   map[uint64]*prefix // by shape
	shapes     shapeFilter        // the shapes of the prefixes, and of some forgotten ones
	candidates []uint64           // shapes of prefixes that are not learned yet
	round      int                // how many times it has learned
	usedOnce   int                // forgotten prefixes that at most one line had
}

// An item is a line from which no prefix has been removed.
type item struct {
	Line
	kind    syntax.Kind // the kind of the whole line
	start   int         // where a line of a crash starts in it, or -1
	glued   bool        // the text before crashAt is not a prefix, but an unfinished line of the process
	crashAt int         // where the line of a crash starts after a candidate, or -1
}

// A prefix is the text before each line of one source.
type prefix struct {
	spaces   int  // spaces at its end
	quote    bool // the text after it is quoted
	score    int  // the lines that it explains, less the lines that it contradicts
	learned  bool
	lastUsed int   // the last round in which it was removed from a line
	uses     int   // how many times it was removed from a line
	lines    []int // the items that have it, at most maxGlued+1
}

// maxGlued is how many crashes may begin after the same unfinished line.
const maxGlued = 64

// add takes a line. When there are enough lines, it learns and passes on most of them.
func (l *prefixLearner) add(line Line) {
	line.Text = bytes.Clone(line.Text)
	i := item{Line: line, kind: syntax.KindOf(syntax.Trim(line.Text)), start: -1}
	if i.kind == syntax.None {
		i.start = syntax.FindStart(line.Text, MaxPrefix)
		if i.start < 0 && endsInGoroutine(line.Text) {
			l.sink.Skip(line.Number, PrefixTooLong)
		}
	}
	l.items = append(l.items, i)
	if l.size += len(line.Text); len(l.items) >= maxItems || l.size >= maxItemBytes {
		l.flush(len(l.items) - len(l.items)/keepShare)
	}
}

// endsInGoroutine reports whether a line ends with the first line of a goroutine that starts
// after more than MaxPrefix bytes. Every crash has such a line.
func endsInGoroutine(text []byte) bool {
	if len(text) <= MaxPrefix || !bytes.HasSuffix(text, []byte("]:")) {
		return false
	}
	at := bytes.LastIndex(text, []byte("goroutine "))
	return at > MaxPrefix && syntax.IsGoroutine(text[at:])
}

// flush learns, removes the prefixes of the first n items, and passes them on.
func (l *prefixLearner) flush(n int) {
	l.learn()
	for i := range l.items[:n] {
		item := &l.items[i]
		l.size -= len(item.Text)
		source, text := l.cutPrefix(item)
		if source == item.Source && (item.kind >= syntax.StackBounds || item.kind != syntax.None && len(text) < minJoined) {
			l.sink.Line(Line{item.Number, source, text, item.kind})
			continue
		}
		splitLines(text, func(text []byte) {
			l.sink.Line(Line{item.Number, source, text, syntax.KindOf(syntax.Trim(text))})
		})
	}
	rest := copy(l.items, l.items[n:])
	clear(l.items[rest:])
	l.items = l.items[:rest]
}

// learn learns prefixes from the items. The time that it takes does not depend on how many
// prefixes are known, except when it forgets some.
func (l *prefixLearner) learn() {
	l.round++
	if len(l.prefixes) > maxPrefixes || l.shapes.added > 4*maxPrefixes {
		l.forget()
	}
	l.candidates = l.candidates[:0]
	for i := range l.items {
		if l.items[i].glued, l.items[i].crashAt = false, -1; l.items[i].start > 0 {
			l.addCandidate(i)
		}
	}
	if len(l.candidates) == 0 {
		return
	}
	for i := range l.items {
		l.score(&l.items[i])
	}
	for _, shape := range l.candidates {
		p := l.prefixes[shape]
		switch {
		case p.score > 0 && p.score <= len(p.lines) && l.areGlued(p.lines):
			for _, i := range p.lines {
				l.items[i].glued = true
			}
			delete(l.prefixes, shape)
		case p.score > 0:
			p.learned, p.lastUsed, p.lines = true, l.round, nil
		default:
			delete(l.prefixes, shape)
		}
	}
}

// forget rebuilds the filter. If there are too many prefixes, it forgets those that were not
// removed from any line in this round or the last.
func (l *prefixLearner) forget() {
	many := len(l.prefixes) > maxPrefixes
	l.shapes = shapeFilter{}
	for shape, p := range l.prefixes {
		if many && p.lastUsed < l.round-1 {
			delete(l.prefixes, shape)
			l.sink.Forget(shape)
			if p.uses <= 1 {
				l.usedOnce++
			}
			continue
		}
		l.shapes.add(shape)
	}
}

// prefix returns the prefix with a shape, or nil.
func (l *prefixLearner) prefix(shape uint64) *prefix {
	if !l.shapes.has(shape) {
		return nil
	}
	return l.prefixes[shape]
}

// eachShape calls visit with the shape of each beginning of a line and where it ends, the
// shortest first, until visit returns false.
func (l *prefixLearner) eachShape(item *item, visit func(shape uint64, end int) bool) {
	s := shaper{text: item.Text[:min(len(item.Text), MaxPrefix)], sum: fnvOffset ^ item.Source*fnvPrime}
	for s.next() {
		if s.text[s.at-1] != ' ' && !visit(s.sum, s.at) {
			return
		}
	}
}

// cutPrefix removes the prefix from a line. It takes the first prefix after which there is a
// line of a crash, or else the longest. It returns the source of the line and what is left.
func (l *prefixLearner) cutPrefix(item *item) (source uint64, text []byte) {
	source, text = item.Source, item.Text
	if item.glued {
		return source, text[item.crashAt:]
	}
	if item.kind != syntax.None || len(l.prefixes) == 0 {
		return source, text
	}
	l.eachShape(item, func(shape uint64, end int) bool {
		p := l.prefix(shape)
		if p == nil {
			return true
		}
		p.lastUsed = l.round
		p.uses++
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

// content returns the text after a prefix, without quotes if the prefix has them.
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
