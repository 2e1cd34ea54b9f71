package process

import (
	"fmt"
	"os/exec"
	"strings"
	"sync"
)

// maxTail is the number of bytes that a Tail keeps.
const maxTail = 4 << 10

// A Tail keeps the last 4 KiB of what is written to it.
type Tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - maxTail; over > 0 {
		t.text = t.text[over:]
	}
	return len(p), nil
}

func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// Output runs a command in its own process group and returns its standard output. The error
// of a command that fails ends with the last line of its standard error.
func Output(cmd *exec.Cmd) (string, error) {
	InGroup(cmd)
	var text Tail
	cmd.Stderr = &text
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w%s", err, LastLine(text.String()))
	}
	return string(out), nil
}

// LastLine returns ": " and the last line of a text that is not blank, for the end of an
// error message. It returns "" if there is none.
func LastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return ": " + last
	}
	return ""
}
