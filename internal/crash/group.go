package crash

import (
	"bytes"
	"hash/maphash"
	"strconv"

	"splitadd/internal/crash/syntax"
)

// A Grouper recognizes crashes that read alike: the same lines of the same frames,
// with other addresses, goroutines' numbers and arguments. What an answer may
// depend on is compared: offsets in functions, the distance of addresses in a line,
// where the fault was.
type Grouper struct {
	seed maphash.Seed
	text []byte
	ids  []string
}

// NewGrouper returns a folder, the keys of which are its own.
func NewGrouper() *Grouper { return &Grouper{seed: maphash.MakeSeed()} }

// Key returns a number that is the same for crashes that read alike.
func (f *Grouper) Key(l Log) uint64 {
	f.text, f.ids = f.text[:0], f.ids[:0]
	end := 0 // of the last line of the crash: others follow
	for rest := l.Text; len(rest) > 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		if f.line(line) {
			end = len(f.text)
		}
	}
	f.text = f.text[:end]
	f.text = strconv.AppendBool(strconv.AppendBool(f.text, l.Headless), l.Truncated)
	return maphash.Bytes(f.seed, f.text)
}

// line adds what is compared of a line, and reports whether a dying runtime prints
// it.
func (f *Grouper) line(line []byte) bool {
	kind := syntax.Location
	if len(line) == 0 || line[0] != '\t' {
		kind = syntax.KindOf(line)
	}
	if kind == syntax.Register {
		// Of a dump of memory, what is a place in the code; of one of registers, none.
		for rest := line; ; {
			i := bytes.IndexByte(rest, '<')
			if i < 0 {
				break
			}
			end := bytes.IndexByte(rest[i:], '>')
			if end < 0 {
				break
			}
			f.text = append(f.text, rest[i:i+end+1]...)
			rest = rest[i+end:]
		}
		return true
	}
	args := len(line)
	if kind == syntax.Call {
		args = bytes.LastIndexByte(line, '(')
	}
	exact := kind == syntax.PC || kind == syntax.SignalBracket || kind == syntax.Signal
	base, based := uint64(0), false
	for i := 0; i < len(line); {
		c := line[i]
		if c < '0' || c > '9' || i > 0 && inWord(line[i-1]) {
			f.text = append(f.text, c)
			i++
			continue
		}
		from := i
		if c == '0' && i+2 < len(line) && line[i+1] == 'x' && isHexDigit(line[i+2]) {
			for i += 2; i < len(line) && isHexDigit(line[i]); i++ {
			}
			v, err := strconv.ParseUint(string(line[from+2:i]), 16, 64)
			switch delta := int64(v - base); {
			case from > args:
				f.text = append(f.text, '#')
			case err != nil || v < 1<<16 || exact || from > 0 && line[from-1] == '+':
				f.text = append(f.text, line[from:i]...)
			case bytes.HasSuffix(line[:from], []byte("pc=")): // a loader moves code by pages
				f.text = strconv.AppendUint(append(f.text, 'P'), v&0xfff, 16)
			case !based:
				base, based = v, true
				f.text = strconv.AppendUint(append(f.text, 'A'), v&3, 16)
			case delta > -1<<32 && delta < 1<<32:
				f.text = strconv.AppendInt(append(f.text, 'D'), delta, 16)
			default:
				f.text = strconv.AppendUint(append(f.text, 'B'), v&3, 16)
			}
			continue
		}
		for i < len(line) && line[i] >= '0' && line[i] <= '9' {
			i++
		}
		switch before := line[:from]; {
		case bytes.HasSuffix(before, []byte(".go:")) || bytes.HasSuffix(before, []byte(".s:")) || bytes.HasSuffix(before, []byte("sigcode=")) || bytes.HasSuffix(before, []byte("code=")):
			f.text = append(f.text, line[from:i]...)
		case bytes.HasSuffix(before, []byte("goroutine ")) || bytes.HasSuffix(before, []byte("runtime: g ")):
			f.id(string(line[from:i]))
		default:
			f.text = append(f.text, '#')
		}
	}
	f.text = append(f.text, '\n')
	return kind != syntax.None
}

// id adds a goroutine's number: the how-manieth it is of those in the crash.
func (f *Grouper) id(id string) {
	n := 0
	for n < len(f.ids) && f.ids[n] != id {
		n++
	}
	if n == len(f.ids) && n < maxIDs {
		f.ids = append(f.ids, id)
	}
	f.text = strconv.AppendInt(append(f.text, 'G'), int64(n), 10)
}

const maxIDs = 64 // goroutines that are told apart

func inWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.'
}

func isHexDigit(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }

// MayBeUnwindFailure reports whether an unwinder may have died: a fast look at words, that
// says no only of crashes of which nothing says so.
func MayBeUnwindFailure(text []byte) bool {
	return !bytes.HasPrefix(text, []byte("panic: ")) && syntax.HasAny(text, "unexpected return pc", "unwind", "unknown caller pc", "frame.sp=", "traceback", "Traceback", "SIGSEGV: ", "SIGBUS: ",
		"fatal error: unexpected signal", "asyncPreempt", "bad pointer", "Exception 0x") ||
		syntax.HasAny(text, "traceback.go", "tracestack.go", "unwinder", "unexpected return pc")
}
