package unwrap

import (
	"bytes"
	"strconv"
)

// logfmtField returns the value of the field in a line of logfmt that usually holds the line of
// a log, and the index of the field's name. If there is no such field, it returns 0. A value
// without quotes ends before the next space.
func logfmtField(text []byte) (at int, value []byte) {
	for from := 0; from < min(len(text), MaxPrefix); {
		i := bytes.IndexByte(text[from:], '=')
		if i < 0 {
			return 0, nil
		}
		end := from + i
		begin := bytes.LastIndexAny(text[:end], " \t{,") + 1
		from = end + 1
		name, rest := text[begin:end], text[from:]
		if len(rest) > 0 && rest[0] == '"' {
			n := quoteEnd(rest)
			if n < 0 {
				n = len(rest) // cut off
			}
			if usualMembers[string(name)] && begin > 0 {
				return begin, unquote(rest[:min(len(rest), n+1)])
			}
			from += n
			continue
		}
		if (string(name) == "msg" || string(name) == "message" || string(name) == "log") && begin > 0 && bytes.IndexByte(text[:begin], '=') > 0 {
			word, _, _ := bytes.Cut(rest, []byte(" "))
			return begin, word
		}
	}
	return 0, nil
}

// unquote removes the quotes around a text and the escapes in it, which are those of Go or of
// JSON.
func unquote(quoted []byte) []byte {
	if s, err := strconv.Unquote(string(quoted)); err == nil {
		return []byte(s)
	}
	return unescape(bytes.Trim(quoted, `"`))
}
