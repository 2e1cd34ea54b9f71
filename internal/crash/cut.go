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
// of, and a goroutine that was preempted, with its frames: one in the function, if
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
	head := lines[:min(maxHead, len(lines))]
	from := -1
	for i := len(head); i+2 < len(lines); i++ {
		if !strings.HasPrefix(lines[i], "goroutine ") || !strings.HasPrefix(lines[i+1], "runtime.asyncPreempt") {
			continue
		}
		block := strings.Join(lines[i:min(i+maxTail, len(lines))], "\n")
		if block, _, _ = strings.Cut(block, "\n\n"); from < 0 || strings.Contains(block, "\n"+function+"(") {
			from = i
		}
	}
	text := strings.Join(head, "\n")
	switch {
	case from >= 0:
		tail, _, _ := strings.Cut(strings.Join(lines[from:min(from+maxTail, len(lines))], "\n"), "\n\n")
		text += fmt.Sprintf("\n[%d lines cut]\n%s", from-len(head), tail)
	case len(lines) > len(head):
		text += fmt.Sprintf("\n[%d lines cut]", len(lines)-len(head))
	}
	return text
}
