// Package pattern has regular expressions that cost little on text that they do not
// match, which is most of a long log. A Pattern names words that every match contains; the
// expression is tried only if they are in the text.
package pattern

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"slices"
	"sync"
)

// A Pattern is a regular expression. It is not tried on a text without the words
// that each match has. One whose matches begin where a line does, with known words,
// is tried there alone.
type Pattern struct {
	expr     string
	compiled func() *compiled // compiles it when first asked: a program has many patterns
}

// A compiled is what a Pattern is compiled to.
type compiled struct {
	anywhere *regexp.Regexp
	required [][]byte // each match has one of them; nil if it may have none

	atLineStart *regexp.Regexp // matches at the beginning of a text; nil if it is tried everywhere
	lineStarts  [][]byte       // each match of line begins with one of them
}

// New returns the pattern of an expression in Go's syntax. The first use of one that
// cannot be compiled panics.
func New(expr string) *Pattern {
	return &Pattern{expr, sync.OnceValue(func() *compiled { return compile(expr) })}
}

func compile(expr string) *compiled {
	c := &compiled{anywhere: regexp.MustCompile(expr)}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		panic(err) // the compiler has read it
	}
	for _, word := range requiredWords(tree) {
		c.required = append(c.required, []byte(word))
	}
	// What goes on to the end of the text would make it quadratic.
	if words := lineStartWords(tree); len(words) > 0 && !spansLines(tree) {
		c.atLineStart = regexp.MustCompile(`\A(?:` + expr + `)`)
		for _, word := range words {
			c.lineStarts = append(c.lineStarts, []byte(word))
		}
	}
	return c
}

// String returns the expression.
func (p *Pattern) String() string { return p.expr }

// SubexpIndex returns the number of a group by its name, as of a regexp.Regexp.
func (p *Pattern) SubexpIndex(name string) int { return p.compiled().anywhere.SubexpIndex(name) }

// Match reports whether a text has a match.
func (p *Pattern) Match(text []byte) bool { return p.FindSubmatchIndex(text) != nil }

// FindSubmatch returns the first match and its groups, or nil.
func (p *Pattern) FindSubmatch(text []byte) [][]byte {
	return submatches(text, p.FindSubmatchIndex(text))
}

// FindAllSubmatch returns the first n matches and their groups.
func (p *Pattern) FindAllSubmatch(text []byte, n int) (all [][][]byte) {
	c := p.compiled()
	if !c.mayMatch(text) {
		return nil
	}
	if c.atLineStart == nil {
		return c.anywhere.FindAllSubmatch(text, n)
	}
	for at := 0; len(all) < n; {
		m := c.findInLines(text, at)
		if m == nil {
			break
		}
		all = append(all, submatches(text, m))
		at = max(m[1], m[0]+1)
	}
	return all
}

// FindSubmatchIndex returns the places of the first match and of its groups, or
// nil.
func (p *Pattern) FindSubmatchIndex(text []byte) []int {
	c := p.compiled()
	switch {
	case !c.mayMatch(text):
		return nil
	case c.atLineStart == nil:
		return c.anywhere.FindSubmatchIndex(text)
	}
	return c.findInLines(text, 0)
}

// findInLines finds a match in a line that begins at some byte or after it.
func (c *compiled) findInLines(text []byte, at int) []int {
	if at > 0 && at <= len(text) && text[at-1] != '\n' {
		at += lineLength(text[at:])
	}
	for ; at < len(text); at += lineLength(text[at:]) {
		for _, word := range c.lineStarts {
			if !bytes.HasPrefix(text[at:], word) {
				continue
			}
			if m := c.atLineStart.FindSubmatchIndex(text[at:]); m != nil {
				for i := range m {
					if m[i] >= 0 {
						m[i] += at
					}
				}
				return m
			}
			break
		}
	}
	return nil
}

// lineLength returns the length of the first line of a text, with its end.
func lineLength(text []byte) int {
	if n := bytes.IndexByte(text, '\n'); n >= 0 {
		return n + 1
	}
	return len(text)
}

func (c *compiled) mayMatch(text []byte) bool {
	for _, word := range c.required {
		if bytes.Contains(text, word) {
			return true
		}
	}
	return c.required == nil
}

func submatches(text []byte, m []int) (parts [][]byte) {
	for i := 0; i < len(m); i += 2 {
		var part []byte
		if m[i] >= 0 {
			part = text[m[i]:m[i+1]:m[i+1]]
		}
		parts = append(parts, part)
	}
	return parts
}

// requiredWords returns words of which each match has one, or nil.
func requiredWords(tree *syntax.Regexp) (words []string) {
	switch tree.Op {
	case syntax.OpLiteral:
		if tree.Flags&syntax.FoldCase == 0 {
			return []string{string(tree.Rune)}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return requiredWords(tree.Sub[0])
	case syntax.OpRepeat:
		if tree.Min > 0 {
			return requiredWords(tree.Sub[0])
		}
	case syntax.OpConcat:
		for _, sub := range tree.Sub {
			if of := requiredWords(sub); minLength(of) > minLength(words) {
				words = of
			}
		}
	case syntax.OpAlternate:
		return union(tree.Sub, requiredWords)
	}
	return words
}

// union returns the words of all alternatives, or nil if one has none.
func union(alternatives []*syntax.Regexp, of func(*syntax.Regexp) []string) (words []string) {
	for _, a := range alternatives {
		more := of(a)
		if more == nil {
			return nil
		}
		words = append(words, more...)
	}
	return words
}

func minLength(words []string) int {
	if len(words) == 0 {
		return 0
	}
	n := len(words[0])
	for _, w := range words {
		n = min(n, len(w))
	}
	return n
}

// lineStartWords returns words with one of which each match begins, if each begins where
// a line does; or nil.
func lineStartWords(tree *syntax.Regexp) (words []string) {
	switch tree.Op {
	case syntax.OpCapture:
		return lineStartWords(tree.Sub[0])
	case syntax.OpConcat:
		if tree.Sub[0].Op == syntax.OpBeginLine && len(tree.Sub) > 1 {
			return firstWords(tree.Sub[1])
		}
		return lineStartWords(tree.Sub[0])
	case syntax.OpAlternate:
		return union(tree.Sub, lineStartWords)
	}
	return nil
}

// spansLines reports whether a match may have any number of lines.
func spansLines(tree *syntax.Regexp) bool {
	if tree.Op == syntax.OpAnyChar {
		return true
	}
	return slices.ContainsFunc(tree.Sub, spansLines)
}

// firstWords returns words with one of which each match begins, or nil.
func firstWords(tree *syntax.Regexp) (words []string) {
	switch tree.Op {
	case syntax.OpLiteral:
		if tree.Flags&syntax.FoldCase == 0 {
			return []string{string(tree.Rune)}
		}
	case syntax.OpCapture, syntax.OpConcat, syntax.OpPlus:
		return firstWords(tree.Sub[0])
	case syntax.OpAlternate:
		return union(tree.Sub, firstWords)
	}
	return nil
}
