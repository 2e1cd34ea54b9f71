package crash

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize/english"

	"splitadd/internal/crash/pattern"
)

// Lines of a crash that are shown, from where it begins and to where the
// interrupted goroutine is.
const (
	maxHead = 12
	maxTail = 12
	maxText = 160 // of a line, bytes
)

// namedGoroutine matches the number of a goroutine that the unwinder gives up on.
var namedGoroutine = pattern.New(`(?m)^runtime: g ?([0-9]+): (?:frame\.sp=|unexpected return pc for )`)

// likelihood says how sure it is that a preempted goroutine, as printed, is the one that
// could not be unwound; 0 is that it is not. The log may name one by its number, and
// no other is it then. Else it is the one whose stack was scanned at the time, or
// whose thread faulted (runtime/traceback.go, goroutineheader).
func likelihood(goroutine []string, id, function string) (sure int) {
	if id != "" {
		if strings.HasPrefix(goroutine[0], "goroutine "+id+" ") {
			return 1
		}
		return 0
	}
	sure = 1
	if strings.Contains(strings.Join(goroutine, "\n"), "\n"+function+"(") {
		sure += 2
	}
	if strings.Contains(goroutine[0], "(scan)") || strings.Contains(goroutine[0], "[running") {
		sure++
	}
	return sure
}

// Excerpt cuts a log sensibly: its first lines, which say what the process died of,
// the fatal error, and the goroutine that could not be unwound, with its frames,
// if it was preempted: if the log does not say which, one that was preempted in
// the function.
func Excerpt(log []byte, function string) string {
	lines := strings.Split(strings.TrimSpace(string(bytes.ToValidUTF8(log, []byte("?")))), "\n")
	for i, line := range lines {
		line = strings.ReplaceAll(line, "\r", "")
		if len(line) > maxText {
			line = line[:maxText] + "..."
		}
		lines[i] = line
	}
	shown := min(maxHead, len(lines)) // lines that are in the text or were cut
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
		if sure := likelihood(lines[i:end], id, function); sure >= best && sure > 0 {
			from, to, best = i, end, sure
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
