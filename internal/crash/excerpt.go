package crash

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize/english"

	"splitadd/internal/crash/pattern"
)

// Bounds on an excerpt.
const (
	maxHead = 12  // lines from the beginning of the crash
	maxTail = 12  // lines of the interrupted goroutine
	maxText = 160 // bytes of a line
)

// namedGoroutine matches the number of the goroutine on which the unwinder gave up.
var namedGoroutine = pattern.New(`(?m)^runtime: g ?([0-9]+): (?:frame\.sp=|unexpected return pc for )`)

// likelihood rates how likely it is that a preempted goroutine, given as its lines, is the
// one that could not be unwound. 0 means that it is not. If the log has the number of the
// goroutine, id is that number, and no other goroutine is rated above 0. Otherwise the rate
// is higher if the goroutine is in the function, and if its stack was being scanned or it
// was running when its thread faulted (runtime/traceback.go, goroutineheader).
func likelihood(goroutine []string, id, function string) (rate int) {
	if id != "" {
		if strings.HasPrefix(goroutine[0], "goroutine "+id+" ") {
			return 1
		}
		return 0
	}
	rate = 1
	if strings.Contains(strings.Join(goroutine, "\n"), "\n"+function+"(") {
		rate += 2
	}
	if strings.Contains(goroutine[0], "(scan)") || strings.Contains(goroutine[0], "[running") {
		rate++
	}
	return rate
}

// Excerpt shortens a log. It keeps the first lines, which say what the process died of, the
// line of the fatal error, and the first lines of the goroutine that could not be unwound,
// if it was preempted. If the log does not say which goroutine that was, Excerpt keeps one
// that was preempted in the function.
func Excerpt(log []byte, function string) string {
	lines := strings.Split(strings.TrimSpace(string(bytes.ToValidUTF8(log, []byte("?")))), "\n")
	for i, line := range lines {
		line = strings.ReplaceAll(line, "\r", "")
		if len(line) > maxText {
			line = line[:maxText] + "..."
		}
		lines[i] = line
	}
	shown := min(maxHead, len(lines)) // the number of lines that are in the text or are left out before it
	text := strings.Join(lines[:shown], "\n")
	show := func(from, to int) {
		if from > shown {
			text += fmt.Sprintf("\n[%s cut]", english.Plural(from-shown, "line", ""))
		}
		text += "\n" + strings.Join(lines[from:to], "\n")
		shown = to
	}
	for i := shown; i < len(lines); i++ {
		if strings.HasPrefix(lines[i], "fatal error: ") {
			show(i, i+1)
			break
		}
	}
	from, to, best := -1, 0, 0
	id := ""
	if m := namedGoroutine.FindSubmatch(log); m != nil {
		id = string(m[1])
	}
	for i := shown; i+2 < len(lines); i++ {
		if !strings.HasPrefix(lines[i], "goroutine ") || !strings.HasPrefix(lines[i+1], "runtime.asyncPreempt") {
			continue
		}
		end := i
		for end < min(i+maxTail, len(lines)) && lines[end] != "" {
			end++
		}
		if rate := likelihood(lines[i:end], id, function); rate >= best && rate > 0 {
			from, to, best = i, end, rate
		}
	}
	if from >= 0 {
		show(from, to)
	}
	if shown < len(lines) {
		text += fmt.Sprintf("\n[%s cut]", english.Plural(len(lines)-shown, "line", ""))
	}
	return text
}
