// Package safe makes untrusted text safe to print: names from binaries, paths and lines
// of logs. The result takes one line and looks like what it contains: a terminal or a log
// viewer does not hide, move or act on any character in it.
package safe

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Text returns s on one line, without characters that a terminal or a viewer acts on
// instead of showing them. It escapes characters that are not printable, as Go's string
// literals do: control characters (C0, DEL, C1), newlines, line separators,
// bidirectional overrides and isolates, other invisible characters, and bytes
// that are not UTF-8. Tabs become spaces. See strconv.IsPrint.
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

// Lines is like Text for each line of s, but keeps tabs. A line may end with CR LF.
func Lines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = escape(strings.TrimSuffix(line, "\r"))
	}
	return strings.Join(lines, "\n")
}

// Error returns the lines of an error's text. There is one line, or one for each error
// that errors.Join has joined.
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
