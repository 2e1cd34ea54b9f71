package crash

import (
	"bytes"
	"fmt"
	"strings"
)

// Lines of a crash that are shown, from where it begins and to where the
// interrupted goroutine is.
const (
	maxHead = 12
	maxTail = 12
	maxText = 160 // of a line, bytes
)

// Cut cuts a log sensibly: its first lines, which say what the process died
// of, the fatal error, and a goroutine that was preempted, with its frames: one in the function, if
// there is one.
func Cut(log []byte, function string) string {
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
			text += fmt.Sprintf("\n[%d lines cut]", from-shown)
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
	from, to := -1, 0
	for i := shown; i+2 < len(lines); i++ {
		if !strings.HasPrefix(lines[i], "goroutine ") || !strings.HasPrefix(lines[i+1], "runtime.asyncPreempt") {
			continue
		}
		end := i
		for end < min(i+maxTail, len(lines)) && lines[end] != "" {
			end++
		}
		if from < 0 || strings.Contains(strings.Join(lines[i:end], "\n"), "\n"+function+"(") {
			from, to = i, end
		}
	}
	if from >= 0 {
		show(from, to)
	}
	if shown < len(lines) {
		text += fmt.Sprintf("\n[%d lines cut]", len(lines)-shown)
	}
	return text
}
