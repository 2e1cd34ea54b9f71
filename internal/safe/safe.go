// Package safe makes untrusted text safe to print: names from binaries, paths, and lines of
// logs. The result is one line. It has no character that a terminal or a log viewer hides,
// moves or acts on, so what a person sees is what the text contains.
package safe

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Text returns s on one line, without characters that a terminal or a viewer does not simply
// show. It escapes characters that are not printable, as Go's string literals do: control
// characters (C0, DEL, C1), newlines, line separators, bidirectional overrides and isolates,
// other invisible characters, and bytes that are not UTF-8. See strconv.IsPrint. Tabs become
// spaces.
func Text(s string) string { return escape(strings.ReplaceAll(s, "\t", " ")) }

// escape is like Text, but keeps tabs.
func escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i]), 16)) // 80 to ff
		case strconv.IsPrint(r), r == '\t':
			b.WriteString(s[i : i+size])
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
		i += size
	}
	return b.String()
}

// Cut is like Text, but replaces everything after the first most bytes of s by "...".
func Cut(s string, most int) string {
	if len(s) <= most {
		return Text(s)
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return Text(s[:most]) + "..."
}

// Lines is like Text for each line of s, but keeps tabs. It removes a CR before a newline.
func Lines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = escape(strings.TrimSuffix(line, "\r"))
	}
	return strings.Join(lines, "\n")
}

// Error returns the text of an error as lines: one line, or one for each error that
// errors.Join has joined.
func Error(err error) (lines []string) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var texts []string
		for _, e := range joined.Unwrap() {
			texts = append(texts, e.Error())
			lines = append(lines, Error(e)...)
		}
		if strings.Join(texts, "\n") == err.Error() {
			return lines
		}
	}
	return []string{Text(err.Error())}
}
