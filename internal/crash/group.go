package crash

import (
	"bytes"
	"hash/maphash"
	"strconv"

	"splitadd/internal/crash/syntax"
)

// A Grouper recognizes crashes that read alike. They have the same lines and frames, but
// may differ in addresses, in the numbers of goroutines and in arguments. The Grouper
// compares everything that an answer may depend on: offsets in functions, the distance
// between two addresses in a line, and the place of the fault.
type Grouper struct {
	seed maphash.Seed
	text []byte   // what is compared of the crash
	ids  []string // the numbers of its goroutines, in the order in which they appear
}

// NewGrouper returns a Grouper. Keys of different Groupers cannot be compared.
func NewGrouper() *Grouper { return &Grouper{seed: maphash.MakeSeed()} }

// Key returns a number that is the same for crashes that read alike.
func (g *Grouper) Key(l Log) uint64 {
	g.text, g.ids = g.text[:0], g.ids[:0]
	end := 0 // the end of the last line that the runtime printed
	for rest := l.Text; len(rest) > 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		if g.addLine(line) {
			end = len(g.text)
		}
	}
	g.text = g.text[:end]
	g.text = strconv.AppendBool(strconv.AppendBool(g.text, l.Headless), l.Truncated)
	return maphash.Bytes(g.seed, g.text)
}

// addLine adds what is compared of a line, and reports whether the runtime of a dying
// process prints such lines.
func (g *Grouper) addLine(line []byte) bool {
	kind := syntax.Location
	if len(line) == 0 || line[0] != '\t' {
		kind = syntax.KindOf(line)
	}
	if kind == syntax.Register {
		g.addSymbols(line)
		return true
	}
	n := numbers{line: line, args: len(line), exact: kind == syntax.PC || kind == syntax.SignalBracket || kind == syntax.Signal}
	if kind == syntax.Call {
		n.args = bytes.LastIndexByte(line, '(')
	}
	for i := 0; i < len(line); {
		c := line[i]
		switch {
		case c < '0' || c > '9' || i > 0 && isWordByte(line[i-1]):
			g.text = append(g.text, c)
			i++
		case c == '0' && i+2 < len(line) && line[i+1] == 'x' && isHexDigit(line[i+2]):
			end := i + 2
			for end < len(line) && isHexDigit(line[end]) {
				end++
			}
			g.text = n.appendHex(g.text, i, end)
			i = end
		default:
			end := i
			for end < len(line) && line[end] >= '0' && line[end] <= '9' {
				end++
			}
			g.addDecimal(line, i, end)
			i = end
		}
	}
	g.text = append(g.text, '\n')
	return kind != syntax.None
}

// addSymbols adds the symbols in a line of a dump of memory. A line of a dump of registers
// has no symbols.
func (g *Grouper) addSymbols(line []byte) {
	for {
		i := bytes.IndexByte(line, '<')
		if i < 0 {
			return
		}
		end := bytes.IndexByte(line[i:], '>')
		if end < 0 {
			return
		}
		g.text = append(g.text, line[i:i+end+1]...)
		line = line[i+end:]
	}
}

// addDecimal adds the decimal number line[from:end]. Line numbers and the codes of signals
// are compared. A goroutine's number is replaced by its index in the crash.
func (g *Grouper) addDecimal(line []byte, from, end int) {
	before := line[:from]
	switch {
	case hasAnySuffix(before, ".go:", ".s:", "sigcode=", "code="):
		g.text = append(g.text, line[from:end]...)
	case hasAnySuffix(before, "goroutine ", "runtime: g "):
		g.addID(string(line[from:end]))
	default:
		g.text = append(g.text, '#')
	}
}

// addID adds the index of a goroutine's number among those in the crash.
func (g *Grouper) addID(id string) {
	n := 0
	for n < len(g.ids) && g.ids[n] != id {
		n++
	}
	if n == len(g.ids) && n < maxIDs {
		g.ids = append(g.ids, id)
	}
	g.text = strconv.AppendInt(append(g.text, 'G'), int64(n), 10)
}

const maxIDs = 64 // goroutines whose numbers are told apart

// numbers are the hexadecimal numbers of a line.
type numbers struct {
	line  []byte
	args  int  // where the arguments of a call begin: numbers in them are not compared
	exact bool // all numbers are compared as they are

	base    uint64 // the first address in the line: others are compared by their distance from it
	hasBase bool
}

// appendHex appends to text what is compared of the number line[from:end].
func (n *numbers) appendHex(text []byte, from, end int) []byte {
	v, err := strconv.ParseUint(string(n.line[from+2:end]), 16, 64)
	switch delta := int64(v - n.base); {
	case from > n.args:
		return append(text, '#')
	case err != nil || v < 1<<16 || n.exact || from > 0 && n.line[from-1] == '+':
		return append(text, n.line[from:end]...)
	case bytes.HasSuffix(n.line[:from], []byte("pc=")): // a loader moves code by whole pages
		return strconv.AppendUint(append(text, 'P'), v&0xfff, 16)
	case !n.hasBase:
		n.base, n.hasBase = v, true
		return strconv.AppendUint(append(text, 'A'), v&3, 16)
	case delta > -1<<32 && delta < 1<<32:
		return strconv.AppendInt(append(text, 'D'), delta, 16)
	default:
		return strconv.AppendUint(append(text, 'B'), v&3, 16)
	}
}

func hasAnySuffix(text []byte, suffixes ...string) bool {
	for _, s := range suffixes {
		if len(text) >= len(s) && string(text[len(text)-len(s):]) == s {
			return true
		}
	}
	return false
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.'
}

func isHexDigit(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }

// MayBeUnwindFailure reports whether an unwinder may have died. It only searches for words,
// so it is fast. If it returns false, nothing in the crash says that an unwinder died.
func MayBeUnwindFailure(text []byte) bool {
	return !bytes.HasPrefix(text, []byte("panic: ")) && syntax.HasAny(text, "unexpected return pc", "unwind", "unknown caller pc", "frame.sp=", "traceback", "Traceback", "SIGSEGV: ", "SIGBUS: ",
		"fatal error: unexpected signal", "asyncPreempt", "bad pointer", "Exception 0x") ||
		syntax.HasAny(text, "traceback.go", "tracestack.go", "unwinder", "unexpected return pc")
}
