package triage

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"splitadd/internal/crash/crashtest"
)

// A logMaker returns part i of a log.
type logMaker func(i int) string

// always returns a log whose parts are all the same.
func always(text string) logMaker { return func(int) string { return text } }

// numbered returns a log whose parts have their number.
func numbered(format string) logMaker {
	return func(i int) string { return fmt.Sprintf(format, i) }
}

// pods returns a log in which each line of a crash is wrapped as that of another process.
func pods(format string, lines []string) logMaker {
	return func(i int) string { return fmt.Sprintf(format, i, lines[i%len(lines)]) }
}

// slowLogs returns logs that may take long to read.
func slowLogs(t *testing.T) map[string]logMaker {
	small := string(crashtest.Read(t, crashFolder+"/testdata/go1.27.4-nil.txt").Log)
	lines := strings.Split(strings.TrimSuffix(small, "\n"), "\n")
	split := string(crashtest.Read(t, crashFolder+"/testdata/go1.23.4-sp-leaf65552-gc.txt").Log)
	logs := slowCrashes(small, split)
	maps.Copy(logs, slowPrefixes(lines))
	maps.Copy(logs, slowJSON(lines))
	maps.Copy(logs, slowText(small))
	return logs
}

// slowCrashes returns logs with many crashes or goroutines.
func slowCrashes(small, split string) map[string]logMaker {
	return map[string]logMaker{
		"blank lines": always("\n"), "short lines": numbered("%[1]d\n"), "one line": always("all is well, no panic: none "),
		"small crashes": always(small), "splits": always(split), "splits, different": func(i int) string { return strings.ReplaceAll(split, "main.", fmt.Sprintf("main.f%d.", i)) },
		"different crashes": numbered("panic: boom\n\ngoroutine 1 [running]:\nmain.f%d()\n\ta.go:1 +0x8\n\n"),
		"faults, different": numbered("SIGSEGV: segmentation violation\nPC=%#x m=0 sigcode=1\n\n"),

		"frames, joined":           always("main.f() /src/a.go:1 +0x8 goroutine 1 [running]: "),
		"frames, joined, in lines": always(strings.Repeat("main.f() /src/a.go:1 +0x8 goroutine 1 [running]: ", 100) + "\n"),
		"frames, escaped":          always(`goroutine 1 [running]:\nmain.f()\n\t/src/a.go:1 +0x8\n`),

		"headers with prefixes": numbered("p%dq goroutine 1 [running]:\n"), "headers": numbered("goroutine %d [running]:\n"), "notes": numbered("runtime: x%d\n"), "coloured": always("\x1b[31mpanic: boom\x1b[0m\n"),
		"goroutines": func(i int) string {
			text := fmt.Sprintf("goroutine %d [select, 3 minutes]:\n%s\n", i+1, strings.Repeat("runtime.gopark(0x400007c7d8?, 0x2?, 0x60?, 0x0?, 0x400007c76c?)\n\truntime/proc.go:398 +0xc8 fp=0x400007c5f0 sp=0x400007c5d0 pc=0x43988\n", 2))
			if i == 0 {
				text = split + "\n" + text
			}
			return text
		},
		"goroutines, latest first": func(i int) string {
			return fmt.Sprintf("\n\t/src/a.go:1 +0x8\nmain.f()\ngoroutine %d [running]:\n", i)
		},
	}
}

// slowPrefixes returns logs with many or long prefixes.
func slowPrefixes(lines []string) map[string]logMaker {
	return map[string]logMaker{
		"prefixes": numbered("p%dq panic: boom\n"), "prefixes of pods": pods("[pod/web-7d9f8b6c5-x%dz/daemon] %s\n", lines),
		"prefixes of pods, far": pods("[pod/web-7d9f8b6c5-x%dz/daemon] %s\n[pod/web-1] all is well\n", lines),
		"long prefixes":         pods(strings.Repeat("word: ", 60)+"x%dz %s\n", lines),
		"longest prefixes":      pods(strings.Repeat("word: ", 680)+"x%dz %s\n", lines),
		"longer prefixes":       pods(strings.Repeat("word: ", 700)+"x%dz %s\n", lines),
		"prefixes, then text": func(i int) string {
			if i < 1<<17 {
				return fmt.Sprintf("p%dq panic: boom\n", i)
			}
			return fmt.Sprintf("request: [%d] of a.b.c-d-e: (panic: none), took 3 ms: goroutine 7 is idle\n", i)
		},
		"compose": func(i int) string { return fmt.Sprintf("web-%d  | %s\n", i%200, lines[i/200%len(lines)]) },
		"compose, many": func(i int) string {
			return fmt.Sprintf("web-%d  | %s\n", i%100_000, lines[i/100_000%len(lines)])
		},
		"logfmt": func(i int) string {
			return fmt.Sprintf("ts=17:08:%02d level=error pod=web-%d msg=%q\n", i%60, i%5000, lines[i/5000%len(lines)])
		},
	}
}

// slowJSON returns logs in JSON.
func slowJSON(lines []string) map[string]logMaker {
	return map[string]logMaker{
		"JSON": numbered("{\"log\":\"panic: %d\",\"pod\":\"a\"}\n"), "deep JSON": always(`[{"a":`), "deep JSON in lines": always(strings.Repeat(`[{"a":`, 1000) + "\"panic: x\"\n"),
		"one line of JSON": numbered(`{"log":"goroutine 1 [running]:\n","n":%d},`), "one string of JSON": always(`"goroutine 1 [running]:\nmain.f()\n\t/src/a.go:1 +0x8\n`),
		"many members": numbered(`{"a%d":"goroutine 1 [running]:"}` + "\n"), "JSON in JSON": always(`{"log":"{\"log\":\"{\\\"log\\\":\\\"panic: x\\\"}\"}"}` + "\n"),
		"Fluent Bit": func(i int) string {
			return fmt.Sprintf(`{"log":%q,"stream":"stderr","time":"2026-03-01T17:08:59.1Z","_p":"F","kubernetes":{"pod_name":"web-%d","namespace_name":"default","pod_id":"0b","host":"node-3","container_name":"web","docker_id":"4f","container_image":"web:1"}}`+"\n",
				lines[i/5000%len(lines)]+"\n", i%5000)
		},
		"journald, JSON": func(i int) string {
			return fmt.Sprintf(`{"MESSAGE":%q,"_PID":"%d","_HOSTNAME":"node-3","__REALTIME_TIMESTAMP":"17723849390%d","__CURSOR":"s=1;i=%x","PRIORITY":"6","_TRANSPORT":"stdout","SYSLOG_IDENTIFIER":"daemon"}`+"\n",
				lines[i/1000%len(lines)], i%1000, i, i)
		},
		"journald, octets": always(`{"MESSAGE":[112,97,110,105,99,58,32,98,111,111,109],"_PID":"4242"}` + "\n"),
		"objects open":     always("{\n"), "objects of many lines": always("{\n\"log\": \"panic: x\"\n}\n"), "quotes": always(`"\\`),
	}
}

// slowText returns logs without a crash, or with few.
func slowText(small string) map[string]logMaker {
	random := rand.New(rand.NewPCG(1, 2))
	return map[string]logMaker{
		"noise": func(i int) string {
			if i < 1000 {
				return small
			}
			b := make([]byte, 80)
			for i := range b {
				b[i] = byte(random.Uint32())
			}
			return string(append(b, '\n'))
		},
		"text": func(int) string {
			b := make([]byte, 100)
			for i := range b {
				b[i] = byte(' ' + random.Uint32()%95)
			}
			return string(append(b, '\n'))
		},
		"requests": numbered("2026-03-01T17:08:59.%dZ INFO served GET /index.html in 3 ms, SIGNED, status 200, no panic\n"),
		"CRLF":     always(strings.ReplaceAll(small, "\n", "\r\n")), "returns": always("panic: boom\rgoroutine 1 [running]:\r"),
	}
}
