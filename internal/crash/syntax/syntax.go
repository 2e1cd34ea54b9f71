// Package syntax recognizes the lines that a Go runtime prints while its process dies.
//
// KindOf returns the kind of a line: the beginning of a crash, the first line of a
// goroutine, a call, the location of a call, a register, and so on. It recognizes most kinds
// by the first words of the line, and does not look at other lines.
package syntax

import (
	"bytes"
	"regexp"
	"strings"
)

// A Kind is the kind of a line. The zero value is a line that the runtime does not print.
type Kind byte

const (
	None          Kind = iota
	Fatal              // "fatal error: ", or "fatal: " as assembly code prints it
	Panic              // "panic: "
	Signal             // "SIGSEGV: ", or "Exception 0xc0000005 " on Windows
	PC                 // "PC=0x", below a Signal
	SignalBracket      // "[signal ", below a Fatal or a Panic
	RuntimeNote        // "runtime: " or "unexpected fault address ", above a Fatal
	StackBounds        // "stack: frame=" or "stack=[0x", below a RuntimeNote
	Goroutine          // the first line of a goroutine
	RuntimeStack       // "runtime stack:"
	Call               // the first line of a frame
	Location           // the second line of a frame
	Created            // "created by "
	DiedAgain          // the runtime died again while it printed
	Separator          // "-----", which GOTRACEBACK=crash prints between threads
	Register           // a line of a dump of registers or memory
)

// CanBeginCrash reports whether a line of this kind can be the first of a crash.
func (k Kind) CanBeginCrash() bool { return k >= Fatal && k <= RuntimeNote && k != PC }

// NamesDeath reports whether a line of this kind says what the process dies of.
func (k Kind) NamesDeath() bool { return k == Fatal || k == Panic || k == Signal }

// lineStarts are the texts at the beginning of lines by which KindOf knows their kind.
var lineStarts = []struct {
	text string
	kind Kind
}{
	{"fatal error: ", Fatal}, {"fatal: ", Fatal}, {"panic: ", Panic}, {"[signal ", SignalBracket}, {"runtime: ", RuntimeNote},
	{"unexpected fault address ", RuntimeNote}, {"runtime stack:", RuntimeStack}, {"created by ", Created}, {"PC=0x", PC},
	{"Exception 0x", Signal}, {"stack: frame=", StackBounds}, {"stack=[0x", StackBounds}, {"-----", Separator},
	{"panic during panic", DiedAgain}, {"[originating from", DiedAgain}, {"stack trace unavailable", DiedAgain},
	{"goroutine running on other thread", Created}, {"[failed to restore", DiedAgain},
}

// KindOf returns the kind of a line. The line must be without leading white space.
func KindOf(text []byte) Kind {
	if len(text) < 2 {
		return None
	}
	switch c := text[0]; {
	case c == 'g' && IsGoroutine(text):
		return Goroutine
	case c == 'S' && isSignal(text):
		return Signal
	case strings.IndexByte("fp[rucPEs-g", c) >= 0:
		for _, b := range lineStarts {
			if c == b.text[0] && len(text) >= len(b.text) && string(text[:len(b.text)]) == b.text {
				if b.kind == Separator && len(bytes.TrimRight(text, " ")) != len(b.text) {
					return None
				}
				return b.kind
			}
		}
	}
	switch {
	case isCall(text):
		return Call
	case isLocation(text):
		return Location
	case isRegister(text):
		return Register
	}
	return None
}

// goroutine matches the first line of a goroutine. Since Go 1.26 it may have labels.
var goroutine = regexp.MustCompile(`^goroutine [0-9]+ (?:gp=\S+ m=\S+ (?:mp=\S+ )?)?\[[^\]]+\](?: ?\{.*\})?:$`)

// IsGoroutine reports whether a line is the first line of a goroutine.
func IsGoroutine(text []byte) bool {
	if !bytes.HasPrefix(text, []byte("goroutine ")) || text[len(text)-1] != ':' {
		return false
	}
	// This finds most of them without the slower pattern.
	rest := bytes.TrimLeft(text[len("goroutine "):], "0123456789")
	if bytes.HasPrefix(rest, []byte(" [")) && bytes.IndexByte(rest, ']') == len(rest)-2 {
		return len(rest) > 4 && len(rest) < len(text)-len("goroutine ")
	}
	return goroutine.Match(text)
}

// signals are the names that the runtime has for signals, without "SIG".
var signals = map[string]bool{
	"HUP": true, "INT": true, "QUIT": true, "ILL": true, "TRAP": true, "ABRT": true, "BUS": true, "FPE": true, "KILL": true, "USR1": true,
	"SEGV": true, "USR2": true, "PIPE": true, "ALRM": true, "TERM": true, "STKFLT": true, "XCPU": true, "XFSZ": true, "PROF": true, "SYS": true, "EMT": true,
}

// isSignal reports whether a line begins with the name of a signal and a colon.
func isSignal(text []byte) bool {
	name, ok := bytes.CutPrefix(text[:min(len(text), 10)], []byte("SIG"))
	if !ok {
		return false
	}
	name, _, ok = bytes.Cut(name, []byte(":"))
	return ok && signals[string(name)]
}

// isCall reports whether a line is the first line of a frame: the name of a function and
// arguments in hexadecimal.
func isCall(text []byte) bool {
	if text[len(text)-1] != ')' {
		return false
	}
	open := bytes.LastIndexByte(text, '(')
	if open < 1 {
		return false
	}
	for _, c := range text[open+1 : len(text)-1] {
		if strings.IndexByte("0123456789abcdefx, {}.?_", c) < 0 {
			return false
		}
	}
	name := text[:open]
	dot := string(name) == "panic"
	for i, c := range name {
		switch {
		case c == '.':
			dot = dot || i > 0
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c >= 0x80:
		case i > 0 && (c >= '0' && c <= '9' || strings.IndexByte("/*()[]-%~@$,", c) >= 0):
		default:
			return false
		}
	}
	return dot
}

// isLocation reports whether a line is the second line of a frame. The path must not have
// white space.
func isLocation(text []byte) bool {
	at := bytes.Index(text, []byte(".go:"))
	if at < 0 {
		if at = bytes.Index(text, []byte(".s:")); at < 0 {
			if at = bytes.Index(text, []byte("<autogenerated>:")); at < 0 {
				return false
			}
		}
	}
	for _, c := range text[:at] {
		if c <= ' ' || c == '|' || c == '"' || c == '=' || c == '(' || c == ')' {
			return false
		}
	}
	rest := text[at:]
	rest = rest[bytes.IndexByte(rest, ':')+1:]
	digits := len(rest)
	rest = bytes.TrimLeft(rest, "0123456789")
	if len(rest) == digits {
		return false
	}
	return len(rest) == 0 || bytes.HasPrefix(rest, []byte(" +0x")) || bytes.HasPrefix(rest, []byte(" fp=0x"))
}

// isRegister reports whether a line is one of a dump of registers or memory, as
// "r0      0x1" and "0000004000: 0000" are.
func isRegister(text []byte) bool {
	i := 0
	for i < len(text) && i < 20 && (text[i] >= 'a' && text[i] <= 'z' || text[i] >= '0' && text[i] <= '9') {
		i++
	}
	rest := text[i:]
	switch {
	case i < 2 || len(rest) < 4:
		return false
	case rest[0] == ':':
		return i >= 8 && rest[1] == ' ' && isHex(bytes.TrimPrefix(text[:i], []byte("0x")))
	case rest[0] == ' ' && i <= 6:
		value, ok := bytes.CutPrefix(bytes.TrimLeft(rest, " "), []byte("0x"))
		return ok && isHex(value)
	}
	return false
}

// IsDump reports whether a line is one of a dump of memory, as "0x0000004000180000:  0x" is.
func IsDump(text []byte) bool {
	i := bytes.IndexByte(text[:min(len(text), 20)], ':')
	if i < 8 || len(text) < i+2 || text[i+1] != ' ' {
		return false
	}
	return isHex(bytes.TrimPrefix(text[:i], []byte("0x")))
}

func isHex(text []byte) bool {
	for _, c := range text {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(text) > 0
}

// locationLine matches the second line of a frame. The path may have white space. What
// follows the offset may have been cut off.
var locationLine = regexp.MustCompile(`^\s*[^\s()][^()]*(?:\.go|\.s|<autogenerated>):[0-9]+(?: (?:\+0x[0-9a-f]+|fp=0x).*)?$`)

// IsLocation reports whether a line is the second line of a frame. It may have leading white
// space, and white space in the path.
func IsLocation(text []byte) bool {
	if !HasAny(text, ".go:", ".s:", "<autogenerated>:") {
		return false
	}
	return isLocation(Trim(text)) || locationLine.Match(text)
}

// Trim returns a text without leading spaces and tabs.
func Trim(text []byte) []byte {
	for i, c := range text {
		if c != ' ' && c != '\t' {
			return text[i:]
		}
	}
	return nil
}

// HasAny reports whether a text contains at least one of the strings. It is faster than a
// regular expression.
func HasAny(text []byte, any ...string) bool {
	for _, s := range any {
		if bytes.Contains(text, []byte(s)) {
			return true
		}
	}
	return false
}
