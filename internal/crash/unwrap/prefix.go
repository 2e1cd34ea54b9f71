package unwrap

import (
	"bytes"
	"strconv"
	"strings"

	"splitadd/internal/crash/syntax"
)

// Bounds on what a learner holds.
const (
	maxItems     = 8192    // lines
	keepShare    = 8       // when lines are passed on, 1 of 8 is kept, to learn from together with the next ones
	maxItemBytes = 4 << 20 // bytes
	maxPrefixes  = 1 << 14
	maxUsedOnce  = 1 << 19 // prefixes that one line had; then no more are learned
)

// A prefixLearner learns the prefixes of lines, and cuts them off. It looks at lines
// before it cuts any of them: a prefix is seen where a line of a crash begins whose
// first words are known, and is learned if it explains more lines than it breaks.
// So many prefixes as there are, a line is compared with all of them at once: by
// the shapes of what it begins with.
type prefixLearner struct {
	sink       Sink
	items      []item
	size       int                // bytes
	prefixes   map[uint64]*prefix // by their shapes
	shapes     shapeFilter        // of the prefixes, and of some that have been forgotten
	candidates []uint64           // shapes of those that are not learned yet
	round      int                // how often it has learned
	usedOnce   int                // prefixes forgotten that one line had
}

type item struct {
	Line
	kind    syntax.Kind // without taking off a prefix
	start   int         // where a line of a crash begins in it, or -1
	glued   bool        // something else was printed before it, without the end of a line
	crashAt int         // where the line of a crash begins, if it has no known prefix
}

// A prefix is what stands before lines of one source.
type prefix struct {
	spaces   int  // at its end
	quote    bool // what follows is quoted
	score    int  // lines of a crash after it, less lines of a crash as they are
	learned  bool
	lastUsed int   // the last round in which a line had it
	uses     int   // how often it has been cut off
	lines    []int // those that it was seen in, at most maxGlued and one more
}

// maxGlued is how many crashes may begin after the same words of another line.
const maxGlued = 64

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

// learn learns from the lines. What it takes does not depend on how many prefixes
// are known, but when it forgets: then on those that have come since it did.
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

// forget forgets prefixes that no line of the last round had, if there are many.
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

// addCandidate sees the prefix that a line has, if it has one that is not known.
func (l *prefixLearner) addCandidate(i int) {
	item := &l.items[i]
	at := item.start
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
	if p == nil && l.usedOnce > maxUsedOnce {
		l.sink.Skip(item.Number, TooManyPrefixes)
		return
	}
	if p == nil {
		p = &prefix{spaces: spaces}
		l.candidates = append(l.candidates, shape)
		l.prefixes[shape] = p
		l.shapes.add(shape)
	}
	if p.learned {
		return
	}
	item.crashAt = at
	p.quote = p.quote || quote
	if len(p.lines) <= maxGlued {
		p.lines = append(p.lines, i)
	}
}

// prefix returns the prefix of a shape, or nil.
func (l *prefixLearner) prefix(shape uint64) *prefix {
	if !l.shapes.has(shape) {
		return nil
	}
	return l.prefixes[shape]
}

// score counts for each prefix that a line has whether it explains the line.
func (l *prefixLearner) score(item *item) {
	known := item.kind != syntax.None
	l.eachShape(item, func(shape uint64, end int) bool {
		p := l.prefix(shape)
		if p == nil {
			return true
		}
		rest := p.content(item.Text[end:])
		is := item.crashAt >= 0 && item.crashAt <= end+p.spaces+1 || syntax.KindOf(syntax.Trim(rest)) != syntax.None
		switch {
		case known:
			p.score--
		case is:
			p.score++
		}
		known = known || is
		return true
	})
}

// areGlued reports whether the text before lines is part of each line, not a prefix:
// each begins a crash that goes on without it. A process that is restarted dies after the same words.
func (l *prefixLearner) areGlued(lines []int) bool {
	if len(lines) > maxGlued {
		return false
	}
	for _, i := range lines {
		if !l.crashContinues(i) {
			return false
		}
	}
	return true
}

// crashContinues reports whether the line after one, of the same source, is of a crash
// without what stands before the one.
func (l *prefixLearner) crashContinues(i int) bool {
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

// eachShape calls visit with the shapes of all that a line begins with, and where eachShape
// ends, until it returns false.
func (l *prefixLearner) eachShape(item *item, visit func(shape uint64, end int) bool) {
	s := shaper{text: item.Text[:min(len(item.Text), MaxPrefix)], sum: fnvOffset ^ item.Source*fnvPrime}
	for s.next() {
		if s.text[s.at-1] != ' ' && !visit(s.sum, s.at) {
			return
		}
	}
}

// cutPrefix cuts the prefix off a line: the first that shows a line of a crash, or else
// the longest.
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
