package safe_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"splitadd/internal/safe"
)

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"main.(*T[...]).f /a b/ü.go":   "main.(*T[...]).f /a b/ü.go",
		`C:\a 'b' "c"`:                 `C:\a 'b' "c"`,
		"a\tb":                         "a b",
		"\x1b[2J\a\x00":                `\x1b[2J\a\x00`,
		"\x7f":                         `\x7f`,
		"\u0085\u009b31m":              `\u0085\u009b31m`,
		"one\ntwo\r":                   `one\ntwo\r`,
		"\u2028\u2029":                 `\u2028\u2029`,
		"\u202eevil\u202c\u2066\u2069": `\u202eevil\u202c\u2066\u2069`,
		"\u200b\u200f\ufeff\U000e0041": `\u200b\u200f\ufeff\U000e0041`,
		"\xff\xc3(\x9b":                `\xff\xc3(\x9b`,
		"\ufffd":                       "\ufffd",
	} {
		assert.Equal(t, want, safe.Text(text), "%q", text)
	}
}

func TestCut(t *testing.T) {
	assert.Equal(t, "abc", safe.Cut("abc", 3))
	assert.Equal(t, "ab...", safe.Cut("abc", 2))
	assert.Equal(t, "a...", safe.Cut("aü", 2), "a character is not divided")
	assert.Equal(t, `\x1b...`, safe.Cut("\x1b[2J", 1))
}

func TestLines(t *testing.T) {
	assert.Equal(t, "a\n\\x1b\tb\n", safe.Lines("a\r\n\x1b\tb\n"))
}

func TestError(t *testing.T) {
	one, two := errors.New("one\nsplitadd: hint: two"), errors.New("two")
	assert.Equal(t, []string{`one\nsplitadd: hint: two`}, safe.Error(one))
	assert.Equal(t, []string{`one\nsplitadd: hint: two`, "two"}, safe.Error(errors.Join(one, two)))
	assert.Equal(t, []string{`a: one\nsplitadd: hint: two: two`}, safe.Error(fmt.Errorf("a: %w: %w", one, two)))
}

// FuzzText checks that the result has no character that a terminal acts on.
func FuzzText(f *testing.F) {
	f.Add("a\x1b\u202e\xff\n")
	f.Fuzz(func(t *testing.T, s string) {
		text := safe.Text(s)
		if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool {
			return unicode.In(r, unicode.C, unicode.Zl, unicode.Zp)
		}) {
			t.Errorf("%q", text)
		}
	})
}
