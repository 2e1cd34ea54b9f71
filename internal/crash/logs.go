package crash

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Bounds on what is read of an input. A crash says what it has to say in its
// first goroutines; logs of a hundred thousand goroutines are not kept whole.
const (
	nearLines  = 160      // lines that are looked at on either side of an anchor
	nearBytes  = 64 << 10 // and bytes
	maxLog     = 4 << 20  // bytes of a crash
	maxLogs    = 1000     // crashes in an input
	maxStreams = 64       // ways in which lines are wrapped
	maxJSON    = 16 << 20 // bytes of a line that is read as JSON
)

// A Log is one crash as its process printed it: what a collector of logs put
// round its lines is taken off, in the order in which they were printed.
type Log struct {
	Text []byte // at most maxLog bytes
	Line int    // of the input, from 1: the first that belongs to it
	// Headless is true where the log begins among the goroutines: what the
	// process died of was cut off, or never printed.
	Headless bool
}

// anchors are strings of which every crash that this package knows has one.
// "SIG" stands for the names of signals.
var anchors = []string{"fatal error: ", "panic: ", "unexpected return pc for ", "frame.sp=", "traceback stuck. pc=", "runtime.asyncPreempt(", "SIG"}

// begin matches where a line of a crash begins that may have a prefix.
var begin = regexp.MustCompile(`\[signal SIG|runtime: |fatal error: |panic: |SIG[A-Z]+: |runtime\.asyncPreempt2?\(|goroutine [0-9]+ (?:gp=\S+ m=\S+ (?:mp=\S+ )?)?\[[a-zA-Z]`)

// Logs finds the crashes in an input, in the order in which they begin. Lines
// may have prefixes, or be strings in JSON, one or a whole crash in each; other
// lines may stand between them; the latest line may come first.
func Logs(data []byte) (logs []Log) {
	streams := map[string]*stream{}
	var order []*stream
	add := func(key string, at int, text []byte) {
		s := streams[key]
		if s == nil {
			if len(streams) == maxStreams {
				return
			}
			s = &stream{}
			streams[key] = s
			order = append(order, s)
		}
		s.add(at, text)
	}
	lines := near(data)
	prefixes := learn(lines)
	for _, l := range lines {
		if !unwrapJSON(l.text, func(key string, text []byte) { add(key, l.at, text) }) {
			key, text := prefixes.cut(l.text)
			add(key, l.at, text)
		}
	}
	for _, s := range order {
		logs = append(logs, s.logs()...)
	}
	sort.SliceStable(logs, func(i, j int) bool { return logs[i].Line < logs[j].Line })
	if len(logs) > maxLogs {
		logs = logs[:maxLogs]
	}
	return logs
}

// A line is a line of the input.
type line struct {
	at   int // its number, from 1
	text []byte
}

// near returns the lines round the anchors.
func near(data []byte) (lines []line) {
	var at []int
	for _, a := range anchors {
		for from := 0; ; {
			i := bytes.Index(data[from:], []byte(a))
			if i < 0 {
				break
			}
			from += i
			if a != "SIG" || signalAt(data[from:]) {
				at = append(at, from)
				// The next on another line.
				if i = bytes.IndexByte(data[from:], '\n'); i < 0 {
					break
				}
				from += i
				continue
			}
			from += len(a)
		}
	}
	slices.Sort(at)
	done, number := 0, 1 // what comes before done is in lines, or passed over
	for i := 0; i < len(at); {
		from := max(done, back(data, at[i]))
		to := forth(data, at[i])
		for i++; i < len(at) && at[i] < to; i++ {
			if i+1 == len(at) || at[i+1] >= to { // the last that is near
				to = forth(data, at[i])
			}
		}
		if to <= from {
			continue
		}
		number += bytes.Count(data[done:from], []byte("\n"))
		for _, text := range bytes.SplitAfter(data[from:to], []byte("\n")) {
			if len(text) > 0 {
				lines = append(lines, line{number, bytes.TrimRight(text, "\r\n")})
				number += bytes.Count(text, []byte("\n"))
			}
		}
		done = to
	}
	return lines
}

// signalAt reports whether what follows is the name of a signal and a colon.
func signalAt(data []byte) bool {
	for i, c := range data[:min(len(data), 16)] {
		if c == ':' {
			return i > 3
		}
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return false
}

// back returns the beginning of a line some lines before an offset.
func back(data []byte, at int) int {
	end := max(0, at-nearBytes)
	for n := 0; n <= nearLines; n++ {
		i := bytes.LastIndexByte(data[end:at], '\n')
		if i < 0 {
			if end > 0 { // in the middle of a line: leave it out
				if i = bytes.IndexByte(data[end:at], '\n'); i >= 0 {
					return end + i + 1
				}
				return bytes.LastIndexByte(data[:at], '\n') + 1
			}
			return 0
		}
		at = end + i
	}
	return at + 1
}

// forth returns the end of a line some lines after an offset.
func forth(data []byte, at int) int {
	for n, from := 0, at; n <= nearLines && at-from < nearBytes; n++ {
		i := bytes.IndexByte(data[at:], '\n')
		if i < 0 {
			return len(data)
		}
		at += i + 1
	}
	return at
}

// unwrapJSON calls add for every line of text in a line of JSON, an object or a
// string, with a key of where in it, and of which process, the text is. It
// reports whether the line is one.
func unwrapJSON(text []byte, add func(key string, text []byte)) bool {
	text = bytes.TrimRight(bytes.TrimSpace(text), ",")
	if len(text) < 2 || len(text) > maxJSON || text[0] != '{' && text[0] != '"' {
		return false
	}
	var value any
	if json.Unmarshal(text, &value) != nil {
		return false
	}
	who := ""
	identify(value, 0, &who)
	each(value, "json"+who, 0, func(key, s string) {
		for _, text := range strings.Split(strings.TrimRight(s, "\n"), "\n") {
			add(key, []byte(strings.TrimRight(text, "\r")))
		}
	})
	return true
}

const maxDepth = 6 // of JSON

// identity matches the keys under which collectors put what tells one process from
// another.
var identity = regexp.MustCompile(`(?i)pod|container|host|instance|stream|unit|pid|task|node`)

func identify(value any, depth int, id *string) {
	object, _ := value.(map[string]any)
	if depth > maxDepth {
		return
	}
	for _, key := range sortedKeys(object) {
		switch v := object[key].(type) {
		case string:
			if identity.MatchString(key) && len(v) < 200 {
				*id += "\x00" + v
			}
		case float64:
			if identity.MatchString(key) {
				*id += "\x00" + strconv.FormatFloat(v, 'g', -1, 64)
			}
		default:
			identify(v, depth+1, id)
		}
	}
}

func each(value any, key string, depth int, visit func(key, s string)) {
	if depth > maxDepth {
		return
	}
	switch v := value.(type) {
	case string:
		visit(key, v)
	case []any:
		for _, e := range v {
			each(e, key+"[]", depth+1, visit)
		}
	case map[string]any:
		for _, k := range sortedKeys(v) {
			each(v[k], key+"."+k, depth+1, visit)
		}
	}
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// prefixes are the ways in which lines of an input begin, before what the
// process printed: the longest pattern first.
type prefixes []*regexp.Regexp

// learn learns prefixes from the lines whose beginning is known. One that stands
// before a single line, and is longer than one that others have, is what another
// thread had begun to print.
func learn(lines []line) (p prefixes) {
	seen := map[string]int{}
	for _, l := range lines {
		if !hasAny(l.text, "runtime: ", "fatal error: ", "panic: ", "SIG", "goroutine ", "asyncPreempt") {
			continue
		}
		at := begin.FindIndex(l.text)
		if at == nil || at[0] > maxPrefix {
			continue
		}
		if pattern := shape(l.text[:at[0]]); seen[pattern] > 0 || len(seen) < maxStreams {
			seen[pattern]++
		}
	}
	for pattern, n := range seen {
		longer := false
		for other, m := range seen {
			longer = longer || m > 1 && other != pattern && strings.HasPrefix(pattern, other)
		}
		if pattern != "" && (n > 1 || !longer) {
			p = append(p, regexp.MustCompile("^"+pattern))
		}
	}
	slices.SortFunc(p, func(a, b *regexp.Regexp) int {
		if a, b := a.String(), b.String(); len(a) == len(b) {
			return strings.Compare(a, b)
		}
		return len(b.String()) - len(a.String())
	})
	return p
}

const maxPrefix = 400 // bytes

// hasAny reports whether a text has one of some strings: faster than a pattern.
func hasAny(text []byte, any ...string) bool {
	for _, s := range any {
		if bytes.Contains(text, []byte(s)) {
			return true
		}
	}
	return false
}

// cut cuts the prefix off a line. Where that ends in a quote, the text is what
// is quoted.
func (p prefixes) cut(text []byte) (key string, rest []byte) {
	for _, prefix := range p {
		at := prefix.FindIndex(text)
		if at == nil {
			continue
		}
		rest := text[at[1]:]
		if at[1] > 0 && text[at[1]-1] == '"' {
			if quoted, err := strconv.QuotedPrefix(string(text[at[1]-1:])); err == nil {
				if s, err := strconv.Unquote(quoted); err == nil {
					rest = []byte(s)
				}
			}
		}
		return prefix.String(), rest
	}
	return "", text
}

// A token of a prefix that changes from line to line: a number, a date, a time.
var moment = regexp.MustCompile(`^[0-9][0-9TZ]*$|^(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun)$`)

var token = regexp.MustCompile(`[A-Za-z0-9_]+| +|.`)

// shape returns a pattern for prefixes like one: numbers and dates may differ.
// What names a process stays: a number in brackets, as syslog writes a process
// ID, and one after a name and a hyphen.
func shape(prefix []byte) string {
	// A prefix that is not text has no shape; its bytes stand for themselves.
	tokens := token.FindAllString(string(bytes.ToValidUTF8(prefix, nil)), -1)
	var b strings.Builder
	for i, t := range tokens {
		named := i > 0 && tokens[i-1] == "[" && i+1 < len(tokens) && tokens[i+1] == "]" ||
			i > 1 && tokens[i-1] == "-" && !moment.MatchString(tokens[i-2]) && t[0] >= '0' && t[0] <= '9'
		switch {
		case moment.MatchString(t) && !named:
			b.WriteString(`[0-9A-Za-z]+`)
		case t[0] == ' ' && i+1 < len(tokens):
			b.WriteString(` +`)
		default:
			b.WriteString(regexp.QuoteMeta(t))
		}
	}
	return b.String()
}

// A stream is the lines that are wrapped in one way.
type stream struct {
	lines []line
	size  int
}

const maxStream = 64 << 20 // bytes

// colour matches what a terminal is told of colours.
var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

func (s *stream) add(at int, text []byte) {
	if s.size += len(text); s.size > maxStream {
		return
	}
	if bytes.IndexByte(text, 0x1b) >= 0 {
		text = colour.ReplaceAll(text, nil)
	}
	if hasAny(text, ".go:", ".s:", "<autogenerated>:") && location.Match(text) { // where collectors trim, or expand, its tab
		text = append([]byte{'\t'}, bytes.TrimLeft(text, " \t")...)
	}
	s.lines = append(s.lines, line{at, text})
}

var (
	// location matches the second line of a frame.
	location  = regexp.MustCompile(`^\s*[^\s()][^()]*(?:\.go|\.s|<autogenerated>):[0-9]+(?: \+0x[0-9a-f]+.*)?$`)
	goroutine = regexp.MustCompile(`^goroutine [0-9]+ (?:gp=\S+ m=\S+ (?:mp=\S+ )?)?\[[^\]]+\]:$`)
	// header matches a line with which a crash begins.
	header = regexp.MustCompile(`^(?:\[signal SIG|runtime: |fatal error: |panic: |SIG[A-Z]+: )`)
	// telling matches one that no process prints but a Go runtime that dies.
	telling = regexp.MustCompile(`^(?:runtime: g ?[0-9]+: |runtime: unexpected return pc for |runtime: traceback stuck|fatal error: (?:traceback did not unwind completely|unknown caller pc|traceback stuck|unexpected signal)|SIG(?:SEGV|BUS): )`)
	// again matches what the runtime prints while it is dying already.
	again = regexp.MustCompile(`^(?:panic during panic|\[originating from|stack trace unavailable|panic: .*\[recovered)`)
)

// isGoroutine reports whether a line is the first of a goroutine.
func isGoroutine(text []byte) bool {
	return bytes.HasPrefix(text, []byte("goroutine ")) && goroutine.Match(text)
}

// isHeader reports whether a crash may begin with a line.
func isHeader(text []byte) bool {
	return len(text) > 0 && strings.IndexByte("[rfpS", text[0]) >= 0 && header.Match(text)
}

// logs cuts a stream into crashes.
func (s *stream) logs() (logs []Log) {
	lines := s.lines
	if backward(lines) {
		lines = slices.Clone(lines)
		slices.Reverse(lines)
	}
	var current *Log
	// The crash has a goroutine, or a frame; a stack or a telling line; the line
	// that says what it is.
	var traced, told, ended bool
	end := func() {
		if current != nil && told {
			logs = append(logs, *current)
		}
		current, traced, told, ended = nil, false, false, false
	}
	for i, l := range lines {
		isGoroutine := isGoroutine(l.text)
		switch {
		case isHeader(l.text) && (current == nil || begins(lines, i, traced, ended)):
			end()
			current = &Log{Line: l.at}
		case current == nil && (isGoroutine || bytes.HasPrefix(l.text, []byte("runtime.asyncPreempt"))):
			current = &Log{Line: l.at, Headless: true}
		case current == nil:
			continue
		}
		traced = traced || isGoroutine || len(l.text) > 0 && l.text[0] == '\t' && location.Match(l.text)
		told = told || isGoroutine || hasAny(l.text, "runtime stack:", "runtime.asyncPreempt(") || isHeader(l.text) && telling.Match(l.text)
		ended = ended || isHeader(l.text) && strings.IndexByte("fpS", l.text[0]) >= 0
		current.Line = min(current.Line, l.at)
		if len(current.Text)+len(l.text) < maxLog {
			current.Text = append(append(current.Text, l.text...), '\n')
		}
	}
	end()
	return logs
}

// begins reports whether a header, line i, is of another process than the one
// whose goroutines, or whose end, came before it. Before the first goroutine more
// than one thread may say that it cannot unwind; among the goroutines the runtime
// says so without giving up.
func begins(lines []line, i int, traced, ended bool) bool {
	text := lines[i].text
	switch {
	case thrown.Match(text):
		return false
	case text[0] == '[': // follows another header
		before := lines[max(0, i-1)].text
		return traced && !isHeader(before) && !again.Match(before)
	case bytes.Contains(text, []byte("unexpected return pc for ")):
		return traced && gaveUp(lines[i+1:])
	}
	return (traced || ended && (text[0] == 'S' || !telling.Match(text))) && !dyingStill(lines[i:])
}

// thrown matches a line that never is the first of a crash.
var thrown = regexp.MustCompile(`^fatal error: (?:traceback did not unwind completely|unknown caller pc|traceback stuck)`)

// gaveUp reports whether the runtime dies before it prints another goroutine.
func gaveUp(lines []line) bool {
	for _, l := range lines {
		if isGoroutine(l.text) {
			return false
		}
		if bytes.Contains(l.text, []byte("unknown caller pc")) {
			return true
		}
	}
	return false
}

// dyingStill reports whether a header, the first of the lines, is of a process
// that dies once more, while it prints.
func dyingStill(lines []line) bool {
	for _, l := range lines[:min(len(lines), 4)] {
		if len(l.text) > 0 && strings.IndexByte("p[sr", l.text[0]) >= 0 && again.Match(l.text) {
			return true
		}
	}
	return false
}

// backward reports whether lines come latest first: by pairs of lines of which
// the runtime prints one after the other.
func backward(lines []line) bool {
	votes := 0
	call := func(text []byte) bool {
		return len(text) > 0 && text[0] != '\t' && text[0] != ' ' && bytes.HasSuffix(text, []byte(")"))
	}
	for i := range len(lines) - 1 {
		for turn, pair := range [2][2][]byte{{lines[i].text, lines[i+1].text}, {lines[i+1].text, lines[i].text}} {
			first, second := pair[0], pair[1]
			if isGoroutine(first) && call(second) ||
				bytes.HasPrefix(first, []byte("SIG")) && bytes.HasPrefix(second, []byte("PC=0x")) ||
				bytes.Contains(first, []byte(": frame.sp=")) && bytes.Contains(second, []byte("stack=[0x")) ||
				hasAny(first, "unexpected return pc for ", "traceback stuck. pc=") && bytes.HasPrefix(second, []byte("stack: frame=")) {
				votes += 1 - 2*turn
			}
		}
	}
	return votes < 0
}
