package unwrap

import (
	"bytes"
	"strings"

	"splitadd/internal/crash/syntax"
)

// addCandidate makes the text before a line of a crash, in item i, a candidate, unless the
// prefix is known.
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

// score updates the score of each prefix that the item has. A prefix explains a line if a line
// of a crash follows it. It contradicts a line that is a line of a crash as a whole, or after
// a shorter prefix.
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

// areGlued reports whether the text before the crashes in some items is not a prefix, but an
// unfinished line of the process: after each of these items, the crash goes on without it. A
// process that is restarted may die after the same words each time.
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

// crashContinues reports whether a line of a crash without a prefix follows item i in the same
// source.
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
