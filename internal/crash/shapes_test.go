package crash

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"splitadd/internal/crash/crashtest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	nilPanic = "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x8d5f0]\n\n" +
		"goroutine 1 [running]:\nmain.f(...)\n\t/src/main.go:9\nmain.main()\n\t/src/main.go:7 +0x10\nexit status 2\n"
	deadlock = "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\nmain.main()\n\t/src/main.go:7 +0x30\n"
	fault    = "SIGSEGV: segmentation violation\nPC=0x468da4 m=13 sigcode=1 addr=0x118\n"
	stopped  = "-----\n\nSIGQUIT: quit\nPC=0x8c58c m=1 sigcode=18446744073709551610\n\ngoroutine 0 gp=0x4000002380 m=1 mp=0x4000060008 [idle]:\nruntime.futex()\n\truntime/sys_linux_arm64.s:666 +0x1c\n\n"
)

func double(s string) string { return strings.ReplaceAll(s, "\n", "\n\n") }

// shapes are logs like those found in practice. For each crash in a log, want has the text with
// which the crash begins, after a "-" if the crash is headless.
var shapes = map[string]struct {
	log  string
	want []string
}{
	// One crash.
	"threads of GOTRACEBACK=crash": {fault + "\ngoroutine 7 [running]:\nmain.f()\n\ta.go:1 +0x8\n\n" + strings.Repeat(stopped, 3), []string{"SIGSEGV"}},
	"without their lines":          {fault + "\ngoroutine 7 [running]:\nmain.f()\n\ta.go:1 +0x8\n\n" + strings.Replace(strings.Repeat(stopped, 3), "-----\n", "", 2), []string{"SIGSEGV"}},
	"unknown pc in a traceback":    {deadlock + "runtime: g 1: unknown pc 0x1234\nstack: frame={sp:0x10, fp:0x0} stack=[0x0,0x1000)\n0x0000000010:  0x0000000000000001\n\ngoroutine 2 [idle]:\nmain.f()\n\ta.go:1 +0x8\n", []string{"fatal error: all"}},
	"the end of a line missing":    {deadlock + "runtime: g 7: unexpected return pc fo", []string{"fatal error: all"}},
	"recovered":                    {"panic: a [recovered]\n\tpanic: b [recovered]\n\tpanic: b\n\ngoroutine 1 [running]:\nmain.main()\n\ta.go:1 +0x8\n", []string{"panic: a"}},
	"recovered, trimmed":           {"panic: a [recovered]\npanic: b\n\ngoroutine 1 [running]:\nmain.main()\n\ta.go:1 +0x8\n", []string{"panic: a"}},
	"dying while it prints":        {deadlock + "runtime: g 1: unexpected return pc for main.f called from 0x1\nfatal error: unknown caller pc\npanic during panic\n\ngoroutine 2 [idle]:\nmain.f()\n\ta.go:1 +0x8\n", []string{"fatal error: all"}},
	"two threads at once":          {"fatal error: concurrent map writes\nfatal error: concurrent map writes\n\ngoroutine 1 [running]:\nmain.main()\n\ta.go:1 +0x8\n\ngoroutine 2 [running]:\nmain.main()\n\ta.go:1 +0x8\n", []string{"fatal error: concurrent"}},
	"morestack":                    {"fatal: morestack on g0\nSIGTRAP: trace trap\nPC=0x8c58c m=1 sigcode=1\n\ngoroutine 0 [idle]:\nmain.f()\n\ta.go:1 +0x8\n", []string{"fatal: morestack"}},
	// Several crashes.
	"the same twice":            {nilPanic + nilPanic, []string{"panic: runtime", "panic: runtime"}},
	"the same, short, twice":    {strings.Repeat("fatal error: all goroutines are asleep - deadlock!\nexit status 2\n", 2), []string{"fatal error: all", "fatal error: all"}},
	"faults, short":             {fault + "\n" + fault, []string{"SIGSEGV", "SIGSEGV"}},
	"recovered after another":   {nilPanic + "panic: a [recovered]\n\tpanic: b\n\ngoroutine 1 [running]:\nmain.main()\n\ta.go:1 +0x8\n", []string{"panic: runtime", "panic: a"}},
	"dying after another":       {nilPanic + "fatal error: unexpected signal during runtime execution\npanic during panic\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x0]\n\nruntime stack:\nruntime.throw()\n\ta.go:1 +0x8\n", []string{"panic: runtime", "fatal error: unexpected"}},
	"two that died, dying":      {strings.Repeat("fatal error: fault\npanic during panic\n\ngoroutine 1 [running]:\nmain.f()\n\ta.go:1 +0x8\n", 2), []string{"fatal error: fault", "fatal error: fault"}},
	"with a prefix and without": {nilPanic + "web-1  | " + strings.ReplaceAll(deadlock, "\n", "\nweb-1  | "), []string{"panic: runtime", "fatal error: all"}},
	"without a prefix and with": {"web-1  | " + strings.ReplaceAll(deadlock, "\n", "\nweb-1  | ") + "\n" + nilPanic, []string{"fatal error: all", "panic: runtime"}},
	"one line each of two":      {"web-1  | fatal error: all goroutines are asleep - deadlock!\ndb-1   | fatal error: all goroutines are asleep - deadlock!\n", []string{"fatal error: all", "fatal error: all"}},
	"killed after another":      {nilPanic + "SIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n\ngoroutine 0 [idle]:\nmain.f()\n\ta.go:1 +0x8\n", []string{"panic: runtime", "SIGQUIT"}},
	// Crashes that are short or have no beginning, and logs without a crash.
	"an error alone":               {"fatal error: all goroutines are asleep - deadlock!\n", []string{"fatal error: all"}},
	"a panic with a signal alone":  {"panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x8d5f0]\n", []string{"panic: runtime"}},
	"an illegal instruction":       {"SIGILL: illegal instruction\nPC=0x8c58c m=0 sigcode=1\ninstruction bytes: 0x0 0x1\n", []string{"SIGILL"}},
	"Windows":                      {"Exception 0xc0000005 0x0 0x0 0x7ff6a0\nPC=0x7ff6a0\n\nruntime: unknown pc 0x7ff6a0\nmain.f()\n\tC:/src/a.go:1 +0x8\n", []string{"Exception"}},
	"from the middle":              {"PC=0x468da4 m=13 sigcode=1 addr=0x118\n\nr0 0x1\n", []string{"-PC=0x"}},
	"from a goroutine on":          {"\ta.go:1 +0x8\n\ngoroutine 7 [running]:\nmain.f()\n\ta.go:1 +0x8\n", []string{"-goroutine 7"}},
	"no crash":                     {"foo.c:1:10: fatal error: foo.h: No such file or directory\nfatal error: the printer is out of paper\npanic: at the disco\nSIGNED: yes\nhttp: panic serving 1.2.3.4:5: x\n", nil},
	"what was not ended before it": {"downloading 45%" + deadlock, []string{"fatal error: all"}},
	// Crashes as collectors write them.
	"newlines as two characters": {strings.ReplaceAll(strings.ReplaceAll(nilPanic, "\n", `\n`), "\t", `\t`), []string{"panic: runtime"}},
	"the same in a field":        {`2026-03-01T17:08:59Z ERROR child died stderr="` + strings.ReplaceAll(strings.ReplaceAll(nilPanic, "\n", `\n`), "\t", `\t`) + `" code=2`, []string{"panic: runtime"}},
	"newlines as spaces":         {strings.ReplaceAll(strings.ReplaceAll(nilPanic, "\n", " "), "\t", ""), []string{"panic: runtime"}},
	"newlines lost":              {strings.ReplaceAll(nilPanic, "\n", ""), []string{"panic: runtime"}},
	"rsyslog":                    {"Mar  9 17:08:59 web daemon[41]: " + strings.ReplaceAll(strings.TrimSuffix(strings.ReplaceAll(nilPanic, "\t", "#011"), "\n"), "\n", "\nMar  9 17:08:59 web daemon[41]: "), []string{"panic: runtime"}},
	"rsyslog, in one line":       {"Mar  9 17:08:59 web daemon[41]: " + strings.ReplaceAll(strings.ReplaceAll(nilPanic, "\t", "#011"), "\n", "#012"), []string{"panic: runtime"}},
	"double-spaced":              {double(nilPanic), []string{"panic: runtime"}},
	"double-spaced, prefixed":    {"web-1  | " + strings.ReplaceAll(double(nilPanic), "\n", "\nweb-1  | "), []string{"panic: runtime"}},
	"quoted, as in mail":         {"> " + strings.ReplaceAll(nilPanic, "\n", "\n> "), []string{"panic: runtime"}},
	"CI":                         {"build\tRun tests\t2026-03-01T17:08:59.1234567Z " + strings.ReplaceAll(nilPanic, "\n", "\nbuild\tRun tests\t2026-03-01T17:09:00.1Z "), []string{"panic: runtime"}},
	"logcat":                     {"01-02 03:04:05.678  1234  5678 E Go      : " + strings.ReplaceAll(nilPanic, "\n", "\n01-02 03:04:05.679  1234  5678 E Go      : "), []string{"panic: runtime"}},
	"YAML":                       {"textPayload: '" + strings.ReplaceAll(strings.TrimSpace(nilPanic), "\n", "'\ntimestamp: '2026-03-01T17:08:59Z'\n---\ntextPayload: '") + "'\n", []string{"panic: runtime"}},
	"CSV":                        {`"2026-03-01T17:08:59Z","web-1","` + strings.ReplaceAll(strings.TrimSpace(nilPanic), "\n", "\",\"x\"\n\"2026-03-01T17:08:59Z\",\"web-1\",\"") + "\"\n", []string{"panic: runtime"}},
}

// TestShapes finds the crashes in logs of many shapes.
func TestShapes(t *testing.T) {
	for name, c := range shapes {
		t.Run(name, func(t *testing.T) {
			logs := Logs([]byte(c.log))
			var got []string
			for i, l := range logs {
				text := string(l.Text)
				if l.Headless {
					text = "-" + text
				}
				if i < len(c.want) {
					text = text[:min(len(text), len(c.want[i]))]
				}
				got = append(got, text)
				if strings.Contains(c.log, nilPanic[:20]) && strings.Contains(string(l.Text), nilPanic[:20]) {
					f := FactsOf(l.Text)
					if strings.Contains(c.log, "main.main()") && assert.NotEmpty(t, f.Frames, "%s", l.Text) {
						assert.Equal(t, "main.main", f.Frames[len(f.Frames)-1].Func, "%s", l.Text)
					}
				}
			}
			assert.Equal(t, c.want, got)
		})
	}
}

// TestRecoveredBefore has a crash after two recovered panics. The tab before the second line
// of a recovered panic is not a prefix.
func TestRecoveredBefore(t *testing.T) {
	e := crashtest.Read(t, "testdata/go1.27.4-fp-leaf65552-trace.txt")
	recovered := "panic: boom [recovered]\n\tpanic: boom\n"
	want := deaths(e.Log, e)
	require.Contains(t, want[0], "split")
	assert.Equal(t, want, deaths([]byte(recovered+recovered+string(e.Log)), e))
}

// pods mixes the lines of a crash with those of n-1 other processes, and wraps each line.
func pods(n int, log string, wrap func(pod, i int, line string) string) string {
	var b strings.Builder
	for i, line := range strings.Split(strings.TrimSuffix(log, "\n"), "\n") {
		for pod := range n {
			text := fmt.Sprintf("panic: served request %d of %d", i, pod)
			if pod == n/2 {
				text = line
			}
			b.WriteString(wrap(pod, i, text) + "\n")
		}
	}
	return b.String()
}

// fluent wraps a line as Fluent Bit does, in an object with 12 strings.
func fluent(pod, i int, line string) string {
	object, _ := json.Marshal(map[string]any{
		"time": fmt.Sprintf("2026-03-01T17:08:%02d.1Z", i%60), "stream": "stderr", "log": line + "\n", "_p": "F",
		"kubernetes": map[string]any{
			"pod_name": fmt.Sprintf("web-%d", pod), "namespace_name": "default", "pod_id": fmt.Sprintf("0b-%d", pod), "host": "node-3", "container_name": "web",
			"docker_id": "4f", "container_hash": "sha256:77", "container_image": "web:1", "labels": map[string]any{"app": "web"},
		},
	})
	return string(object)
}

// TestMany has a crash after many others, and a crash among many processes that print lines
// that look like those of a crash.
func TestMany(t *testing.T) {
	e := crashtest.Read(t, "testdata/go1.23.4-sp-leaf65552-stacks.txt")
	want := deaths(e.Log, e)
	require.Contains(t, want[0], "split")
	compose := func(pod, _ int, line string) string { return fmt.Sprintf("web-%d  | %s", pod, line) }
	for _, n := range []int{5, 6, 65, 300} {
		assert.Equal(t, want, deaths([]byte(pods(n, string(e.Log), fluent)), e), "%d pods", n)
		assert.Equal(t, want, deaths([]byte(pods(n, string(e.Log), compose)), e), "%d services", n)
	}
	assert.Len(t, deaths([]byte(strings.Repeat(nilPanic, 1500)+string(e.Log)), e), 1501)
}
