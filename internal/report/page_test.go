package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"splitadd/internal/record"
	"splitadd/internal/trial"
)

// hostile is what a name in a binary, or a log, may hold.
const hostile = `</pre><script>alert(1)</script><img src=x onerror="alert(1)">|*a*` + "\x1b[2J`"

// records returns records of two releases, with hostile names.
func records() *record.All {
	head := func(kind, release string) record.Head { return record.Head{Kind: kind, Version: 1, Go: release} }
	all := &record.All{
		Verdicts: []record.Verdict{
			{Head: head("verdict", "go1.27.4"), Affected: []string{"leaf SP"}, Proved: true, Tested: &record.Tested{Windows: 3, Controls: 1}},
			{Head: head("verdict", "go1.9"), Affected: []string{}, Proved: true, Tested: &record.Tested{Controls: 4, Stress: 3, Seconds: 6}},
			{Head: head("verdict", "go1.27.4"), Affected: []string{"leaf SP"}, Proved: true},
			{Head: head("verdict", hostile), Affected: []string{hostile}, Doubts: []string{hostile}},
		},
		Windows: []record.Window{
			{Head: head("window", "go1.27.4"), Class: "SP", Leaf: true, Func: "a/b.f", Frame: 65552, PC: "0x10", Offset: "0x8", Preemptible: true, Disassembly: "one\ntwo   <- leaf SP window\nthree\n"},
			{Head: head("window", "go1.27.4"), Class: "SP", Leaf: true, Func: hostile, Frame: 131088, PC: hostile, File: hostile, Offset: hostile, Preemptible: true, Disassembly: hostile + "   <- \n"},
		},
		Runs: []record.Run{
			{Head: head("run", "go1.27.4"), Class: "SP", Leaf: true, Frame: 65552, Pinned: true, PC: "0x10", Outcome: trial.Died, Engine: "an engine", Evidence: hostile, Log: hostile + "\nfatal error: traceback did not unwind completely"},
		},
		Series: []record.Series{
			{Head: head("series", "go1.27.4"), Class: "SP", Leaf: true, Func: "f", Observer: "gc", Runs: 3, Deaths: 2, Exposed: 9, Lives: []record.Life{{Seconds: 1, Died: true}, {Seconds: 2, Died: true}, {Seconds: 6}}, Engine: "an engine", Warnings: []string{hostile}},
			{Head: head("series", hostile), Class: "SP", Func: hostile, Observer: hostile, Runs: 1, Exposed: 6, Lives: []record.Life{{Seconds: 6}}, Engine: hostile},
		},
	}
	return all
}

func TestHTML(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, NewPage(records()).HTML(&b))
	root, err := html.Parse(&b)
	require.NoError(t, err)
	var text strings.Builder
	count := map[string]int{}
	for n := range root.Descendants() {
		switch n.Type {
		case html.ElementNode:
			count[n.Data]++
			for _, a := range n.Attr {
				assert.False(t, strings.HasPrefix(a.Key, "on"), "%s of %s", a.Key, n.Data)
				assert.NotContains(t, []string{"src", "srcset"}, a.Key)
				if a.Key == "title" {
					text.WriteString(a.Val + "\n")
				}
				if a.Key == "href" {
					assert.True(t, strings.HasPrefix(a.Val, "#"), "%s", a.Val)
				}
			}
		case html.TextNode:
			text.WriteString(n.Data)
		}
	}
	for _, never := range []string{"script", "img", "link", "iframe", "object"} {
		assert.Zero(t, count[never], never)
	}
	assert.Equal(t, 1, count["svg"], "the curves")
	assert.Equal(t, 2, count["mark"])
	assert.Contains(t, text.String(), "go1.27.4, leaf SP, 65552 bytes: died, pinned at")
	assert.Contains(t, text.String(), "go1.27.4, leaf SP, 131088 bytes: a window")
	assert.Contains(t, text.String(), "go1.9, leaf SP, 65552 bytes: no window")
	assert.Contains(t, text.String(), "fatal error: traceback did not unwind completely")
	assert.Contains(t, text.String(), "alert(1)", "as text")
}

func TestMarkdown(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, NewPage(records()).Markdown(&b))
	assert.Contains(t, b.String(), "| go1.27.4 | leaf SP | every one of 3 windows pinned, nothing died in 1 control pin |\n")
	assert.Contains(t, b.String(), "| go1.27.4 | leaf SP | 65552 | b.f+0x8 | 0, 0 | died, 0.00 s |\n")
	assert.NotContains(t, b.String(), "<")
	for _, line := range strings.Split(b.String(), "\n") {
		if strings.HasPrefix(line, "| ") && strings.Contains(line, "alert") {
			cells := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
			assert.Contains(t, []int{4, 7, 9}, cells, "%s", line)
		}
	}
	b.Reset()
	require.NoError(t, NewPage(records()).Text(&b))
	assert.NotContains(t, b.String(), "\x1b")
	assert.Contains(t, b.String(), "go1.9: clean; no window found, nothing died in 4 control pins, nor in 3 runs of unmodified guests, 6.0 s\n")
}
