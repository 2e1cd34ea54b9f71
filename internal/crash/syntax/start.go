package syntax

import (
	"bytes"
)

// startWords are the words at which FindStart looks for the start of a line, by their first
// byte. There are few of them, because words that often occur inside other lines would find
// wrong starts.
var startWords = [256][]string{
	'g': {"goroutine "}, 'p': {"panic: "}, 'f': {"fatal error: ", "fatal: morestack", "fatal: bad g"}, 'S': {"SIG"}, 'r': {"runtime"},
	'[': {"[signal "}, 'P': {"PC=0x"}, 'u': {"unexpected fault address "}, 'E': {"Exception 0x"},
}

// FindStart returns where a line of a crash starts in a line that has something else before
// it, at most limit bytes. It returns -1 if there is no such start.
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

// startsLine reports whether a text starts like a line of a crash. The text begins with one
// of startWords. Anything may follow the start.
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

// HasAnchor reports whether a line has text that every crash contains at least once. It is
// fast, because it is called for every line of a log.
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

// anchors are the texts that HasAnchor looks for, apart from goroutines and signals. The last
// two begin a line that journalctl printed as an array of bytes.
var anchors = [][]byte{[]byte("fatal error: "), []byte("panic: "), []byte("runtime: g "), []byte("unexpected return pc "), []byte("frame.sp="), []byte("traceback stuck"),
	[]byte("runtime.asyncPreempt("), []byte("[signal "), []byte("sigcode="), []byte("Exception 0x"), []byte("fatal: morestack on g"), []byte("fatal: bad g"), []byte("runtime stack:"), []byte("runtime.throw("), []byte("unexpected fault address "), []byte(`"MESSAGE":[`), []byte(`"MESSAGE" : [`)}
