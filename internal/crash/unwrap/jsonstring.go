package unwrap

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// isKey reports whether a string is the name of a member, by the text after it.
func isKey(rest []byte) bool {
	rest = bytes.TrimLeft(rest[:min(len(rest), 8)], " \t")
	return len(rest) > 0 && rest[0] == ':'
}

// quoteEnd returns the index of the quote that ends the string at the beginning of a text, or
// -1.
func quoteEnd(text []byte) int {
	for i := 1; i < len(text); {
		n := bytes.IndexByte(text[i:], '"')
		if n < 0 {
			return -1
		}
		i += n
		slashes := 0
		for text[i-1-slashes] == '\\' && i-1-slashes > 0 {
			slashes++
		}
		if slashes%2 == 0 {
			return i
		}
		i++
	}
	return -1
}

// byteArray reads a text that is written as an array of its bytes, as journalctl prints a
// text with control characters. n is the length of the array in the input, or 0 if it is not
// such an array.
func byteArray(text []byte) (b []byte, n int) {
	value, digits := 0, 0
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c >= '0' && c <= '9' && digits < 3:
			value, digits = 10*value+int(c-'0'), digits+1
		case c == ' ':
		case (c == ',' || c == ']') && digits > 0 && value < 256:
			b = append(b, byte(value))
			value, digits = 0, 0
			if c == ']' {
				return b, i + 1
			}
		default:
			return nil, 0
		}
	}
	return nil, 0
}

// unescape replaces the escapes in a string of JSON. It keeps wrong ones as they are.
func unescape(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' || i+1 == len(raw) {
			out = append(out, raw[i])
			continue
		}
		i++
		switch c := raw[i]; c {
		case 'n':
			out = append(out, '\n')
		case 't':
			out = append(out, '\t')
		case 'r':
			out = append(out, '\r')
		case 'b', 'f', 'v', 'a':
		case 'x':
			if n, err := strconv.ParseUint(string(raw[min(len(raw), i+1):min(len(raw), i+3)]), 16, 8); err == nil {
				out = append(out, byte(n))
				i += 2
			}
		case 'u':
			r := hexRune(raw[i+1:])
			if r < 0 {
				out = append(out, '\\', 'u')
				continue
			}
			i += 4
			if utf16.IsSurrogate(r) && i+6 < len(raw) && raw[i+1] == '\\' {
				if low := hexRune(raw[i+3:]); low >= 0 {
					r = utf16.DecodeRune(r, low)
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
	}
	return out
}

// hexRune returns the number that four hexadecimal digits at the beginning of a text stand
// for, or -1.
func hexRune(text []byte) rune {
	if len(text) < 4 {
		return -1
	}
	n, err := strconv.ParseUint(string(text[:4]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}
