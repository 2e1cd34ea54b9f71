// Package pattern has regular expressions that are fast on text that they do not match. Most
// of a long log is such text.
//
// From its expression, a Pattern derives a list of words such that every match contains at
// least one of them. It tries the expression only on a text that has one of the words. If all
// matches begin at the start of a line with known words, it tries the expression only there.
package pattern

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"slices"
	"sync"
)

// A Pattern is a regular expression in Go's syntax. Its methods return what those of a
// regexp.Regexp return.
type Pattern struct {
	expr     string
	compiled func() *compiled // compiles expr the first time
}

// A compiled is a compiled expression with the words that its matches have.
type compiled struct {
	anywhere *regexp.Regexp
	required [][]byte // each match has one of them; nil if no words are known

	atLineStart *regexp.Regexp // matches at the beginning of a text; nil if matches may begin anywhere
	lineStarts  [][]byte       // each match of atLineStart begins with one of them
}

// New returns the pattern of an expression. The expression is compiled when it is first
// used, because a program has many patterns and uses few. If it cannot be compiled, its
// first use panics.
func New(expr string) *Pattern {
	return &Pattern{expr, sync.OnceValue(func() *compiled { return compile(expr) })}
}

func compile(expr string) *compiled {
	c := &compiled{anywhere: regexp.MustCompile(expr)}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		panic(err) // cannot happen: regexp has parsed it
	}
	for _, word := range requiredWords(tree) {
		c.required = append(c.required, []byte(word))
	}
	// If a match could span lines, each line would be tried up to the end of the text, in
	// quadratic time.
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

// SubexpIndex returns the number of the group with a name.
func (p *Pattern) SubexpIndex(name string) int { return p.compiled().anywhere.SubexpIndex(name) }

// Match reports whether the text has a match.
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

// FindSubmatchIndex returns the places of the first match and of its groups, or nil.
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

// findInLines finds a match in a line that begins at index at or after it.
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

// lineLength returns the length of the first line of a text, including its newline.
func lineLength(text []byte) int {
	if n := bytes.IndexByte(text, '\n'); n >= 0 {
		return n + 1
	}
	return len(text)
}

// mayMatch reports whether the text has one of the required words.
func (c *compiled) mayMatch(text []byte) bool {
	for _, word := range c.required {
		if bytes.Contains(text, word) {
			return true
		}
	}
	return c.required == nil
}

// submatches returns the parts of a text that a match m, as of FindSubmatchIndex, describes.
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

// requiredWords returns words of which each match contains at least one, or nil.
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
			if found := requiredWords(sub); minLength(found) > minLength(words) {
				words = found
			}
		}
	case syntax.OpAlternate:
		return union(tree.Sub, requiredWords)
	}
	return words
}

// union returns the words that wordsOf returns for all alternatives, or nil if it returns
// nil for one of them.
func union(alternatives []*syntax.Regexp, wordsOf func(*syntax.Regexp) []string) (words []string) {
	for _, a := range alternatives {
		more := wordsOf(a)
		if more == nil {
			return nil
		}
		words = append(words, more...)
	}
	return words
}

// minLength returns the length of the shortest word, or 0 if there are no words.
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

// lineStartWords returns the words with which a match begins, if every match begins at the
// start of a line. Otherwise it returns nil.
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

// firstWords returns words of which each match begins with one, or nil.
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
