package triage

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"splitadd/internal/crash/crashtest"
)

// A repeated reader gives a text again and again, with its number in it.
type repeated struct {
	text string // with one verb for a number, or none
	left int    // bytes
	n    int
	rest []byte
}

func (r *repeated) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		for len(r.rest) < 64<<10 {
			text := r.text
			if strings.Contains(text, "%d") {
				text = fmt.Sprintf(text, r.n)
			}
			r.rest = append(r.rest, text...)
			r.n++
		}
	}
	if r.left <= 0 {
		return 0, fmt.Errorf("%w", errEnd)
	}
	n := copy(p[:min(len(p), r.left)], r.rest)
	r.rest = r.rest[n:]
	r.left -= n
	return n, nil
}

var errEnd = fmt.Errorf("the end")

// TestLogBounds reads logs that are made to take long, 100 MB of each with -all.
func TestLogBounds(t *testing.T) {
	size := 5 << 20
	if *allLogs {
		size = 100 << 20
	}
	e := crashtest.Read(t, crashFolder+"/testdata/go1.27.4-nil.txt")
	for name, text := range map[string]string{
		"blank lines": "\n", "one line": "all is well, no panic: none ", "one line of frames": "main.f() /src/a.go:1 +0x8 goroutine 1 [running]: ",
		"small crashes": string(e.Log), "different crashes": "panic: boom\n\ngoroutine 1 [running]:\nmain.f%d()\n\ta.go:1 +0x8\n\n",
		"different prefixes": "p%dq panic: boom\n", "deep JSON": "[{\"a\":", "one line of JSON": `{"log":"goroutine 1 [running]:\n","n":%d},`,
		"JSON": "{\"log\":\"panic: %d\",\"pod\":\"a\"}\n", "objects open": "{\n", "quotes": `"\\`, "goroutines": "goroutine %d [running]:\nmain.f()\n\ta.go:1 +0x8\n\n",
		"notes": "runtime: x%d\n",
	} {
		if name == "one line of frames" && !*allLogs {
			continue // above the bound: 1 µs for each byte is spent on where its lines end
		}
		bound(t, name, max(1, 5*float64(size)/(100<<20)), 300, func() {
			verdicts, _ := Reader("log", &repeated{text: text, left: size}, nil)
			for _, v := range verdicts {
				assert.False(t, v.Answer.Split(), name)
			}
		})
	}
	assert.False(t, bytes.Contains(e.Log, []byte("%")))
}
