package pattern

import (
	"bytes"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

var expressions = []string{
	`fatal error: [^\n]*`, `(?m)^panic: [^\n]*$`, `(?m)^(SIG[A-Z]+: [^\n]*|Exception 0x[^\n]*)`, `(?m)^(?:PC=|x )0x([0-9a-f]+)`, `(?m)(?:^PC=|^SIG[^\n]* pc=)0x([0-9a-f]+)`,
	`(?ms)^(SIG[^\n]*).*^PC=`, `(?s)(a b)|(c d).*e f`, `(?i)exit`, `\bexit\b`, `<([^<>]+)>`, `(?m)^runtime: g ?([0-9]+): |(unknown pc)`, `(?m)^panic: ([^\n]*)\n(?:[^\n]*\n){0,3}\[signal`,
	`\Apanic: (x*)`, `(?m)^(x|)y`, `(?m)^\s*rip +0x`, `a*`, `(?m)$`, `(?:ab)+c`, `(?:ab)*c`, `(?m)^created by (\S+)[^\n]*\n\s*[^\n]*:[0-9]+`,
}

var texts = []string{
	"", "\n", "panic: x", "a\npanic: x\n[signal SIGSEGV]\n", "SIGSEGV: x\nPC=0x1 m=0\nSIGBUS: y pc=0x2", "  SIGSEGV: x\n", "c d\ne f", "EXIT exit", "exited", "a <b>c <d>\n<e>",
	"runtime: g 7: \nruntime: g8: x unknown pc\n", "panic: x\npanic: y\nz\n[signal", "y\nxy\n", "\n  rip   0x1\n", "ababc", "c", "panic: \npanic: xx\n", "PC=0x1PC=0x2\nPC=0x3", "created by f\n\ta.go:1\ncreated by g\nx",
}

// FuzzPattern compares a Pattern with the regular expression that it is made from.
func FuzzPattern(f *testing.F) {
	var patterns []*Pattern
	for _, expr := range expressions {
		patterns = append(patterns, New(expr))
	}
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for i, p := range patterns {
			want := regexp.MustCompile(expressions[i])
			assert.Equal(t, want.FindSubmatchIndex(text), p.FindSubmatchIndex(text), "%s in %q", p, text)
			assert.Equal(t, want.FindSubmatch(text), p.FindSubmatch(text), "%s in %q", p, text)
			assert.Equal(t, want.FindAllSubmatch(text, 3), p.FindAllSubmatch(text, 3), "%s in %q", p, text)
			assert.Equal(t, want.Match(text), p.Match(text), "%s in %q", p, text)
		}
	})
}

// TestWords checks the required words and the words at which lines are tried.
func TestWords(t *testing.T) {
	for expr, want := range map[string]string{
		`fatal error: [^\n]*`: "fatal error: ;", `(?m)^(SIG[A-Z]+: [^\n]*|Exception 0x[^\n]*)`: "SIG|Exception 0x;SIG|Exception 0x", `(?ms)^(SIG[^\n]*).*^PC=`: "SIG;",
		`(?i)exit`: ";", `a*`: ";", `(?m)^x|y`: "x|y;", `(?m)^\s*rip +0x`: "rip;",
	} {
		p := compile(expr)
		assert.Equal(t, want, string(bytes.Join(p.required, []byte("|")))+";"+string(bytes.Join(p.lineStarts, []byte("|"))), "%s", expr)
	}
}

// TestFast searches long texts without a match, whose lines begin as matches do. A text
// that is 16 times as long may take 16 times as long, but not much more.
func TestFast(t *testing.T) {
	for _, expr := range expressions {
		p := New(expr)
		for _, line := range []string{"all is well\n", "SIGSEGV: x\n", "runtime: g 7: x\n", "panic: x\n", "created by x\n"} {
			fastest := func(size, runs int) time.Duration {
				text := []byte(strings.Repeat(line, size/len(line)))
				took := time.Duration(math.MaxInt64)
				for range runs {
					begin := time.Now()
					p.Match(text)
					took = min(took, time.Since(begin))
				}
				return took
			}
			short := max(fastest(1<<14, 5), 50*time.Microsecond)
			assert.Less(t, fastest(1<<18, 3), 100*short, "%s in many of %q", expr, line)
		}
	}
}
