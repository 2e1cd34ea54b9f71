package syntax

import (
	"bytes"
)

// startWords are what stands where Begin looks for a beginning, by their first bytes:
// only what does so often enough to look further.
var startWords = [256][]string{
	'g': {"goroutine "}, 'p': {"panic: "}, 'f': {"fatal error: ", "fatal: morestack", "fatal: bad g"}, 'S': {"SIG"}, 'r': {"runtime"},
	'[': {"[signal "}, 'P': {"PC=0x"}, 'u': {"unexpected fault address "}, 'E': {"Exception 0x"},
}

// FindStart returns where a line of a crash begins in a line that may have something
// before it: at most limit bytes; or -1.
func FindStart(text []byte, limit int) int {
	for i := range min(len(text), limit+1) {
		for _, m := range startWords[text[i]] {
			if len(text)-i >= len(m) && string(text[i:i+len(m)]) == m && startsLine(text[i:]) {
				return i
			}
		}
	}
	return -1
}

// startsLine reports whether a text startsLine as a line of a crash does, whatever comes
// after it.
func startsLine(text []byte) bool {
	switch text[0] {
	case 'g':
		rest := bytes.TrimLeft(text[len("goroutine "):], "0123456789")
		return len(rest) < len(text)-len("goroutine ") && (bytes.HasPrefix(rest, []byte(" [")) || bytes.HasPrefix(rest, []byte(" gp=0x")))
	case 'S':
		return isSignal(text)
	case 'r':
		return HasAny(text[:min(len(text), 24)], "runtime: ", "runtime stack:", "runtime.asyncPreempt", "runtime.throw(")
	}
	return true
}

// HasAnchor reports whether a line is one that every crash has one of. It is fast
// where it is not.
func HasAnchor(text []byte) bool {
	if len(text) < len("panic: ") {
		return false
	}
	if i := bytes.Index(text, []byte("goroutine ")); i >= 0 && i+11 < len(text) && text[i+10] >= '0' && text[i+10] <= '9' {
		return true
	}
	for _, a := range anchors {
		if bytes.Contains(text, a) {
			return true
		}
	}
	for from := 0; ; {
		i := bytes.Index(text[from:], []byte("SIG"))
		if i < 0 {
			return false
		}
		if from += i; isSignal(text[from:]) {
			return true
		}
		from += 3
	}
}

var anchors = [][]byte{[]byte("fatal error: "), []byte("panic: "), []byte("runtime: g "), []byte("unexpected return pc "), []byte("frame.sp="), []byte("traceback stuck"),
	[]byte("runtime.asyncPreempt("), []byte("[signal "), []byte("sigcode="), []byte("Exception 0x"), []byte("fatal: morestack on g"), []byte("fatal: bad g"), []byte("runtime stack:"), []byte("runtime.throw("), []byte("unexpected fault address "), []byte(`"MESSAGE":[`), []byte(`"MESSAGE" : [`)}
