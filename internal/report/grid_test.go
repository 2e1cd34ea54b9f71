package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/record"
	"splitadd/internal/trial"
	"splitadd/internal/window"
)

// everyKind returns records of releases with windows of every kind, each with the death of
// a victim in it.
func everyKind(releases ...string) *record.Collection {
	all := new(record.Collection)
	for _, release := range releases {
		head := func(kind string) record.Header { return record.Header{Kind: kind, Version: 1, Go: release} }
		v := record.Verdict{Header: head("verdict"), Affected: window.KindNames(), Proved: true, Tested: &record.Tested{Windows: 9, Controls: 7, Stress: 3, Seconds: 6}}
		for i, k := range window.Kinds {
			frame := []int64{65552, 69632}[i%2]
			pc := "0x" + strings.Repeat("1", i+1)
			w := record.Window{
				Header: head("window"), Class: k.Class, Leaf: strings.HasPrefix(k.Name, "leaf"), Stale: k.Name == "stale FP", Func: "splitadd/internal/victim.f" + pc, Frame: frame,
				PC: pc, Offset: "0x68", Actual: 65536, Claimed: frame, Preemptible: true, File: "victim/frames.go", Line: 16,
				Disassembly: "  0x8d6f8 +0x68\t914043bd\tADD $(16<<12), R29, R29   <- " + k.Name + " window\n  0x8d6fc +0x6c\t910043ff\tADD $16, RSP, RSP\n",
			}
			if k.ProvedByHold {
				w.Detail = "R30 holds a pointer that nothing else holds, and the collector does not scan it"
			}
			all.Windows = append(all.Windows, w)
			all.Runs = append(all.Runs, record.Run{
				Header: head("run"), Class: k.Class, Leaf: w.Leaf, Frame: int(frame), Func: w.Func, Observer: k.Observer, Pinned: true, PC: pc, Offset: w.Offset, Outcome: trial.Died,
				Seconds: 0.12, Engine: "emulated: qemu-aarch64 7.2.22, user mode, cpu max, on linux/amd64, Linux 6.1, a processor, 2 cpus",
				Evidence: "fatal error: traceback did not unwind completely",
				Log:      "runtime: g19: frame.sp=0x4000085f80 top=0x4000087fd0\n\tstack=[0x4000080000-0x4000088000\nfatal error: traceback did not unwind completely\n" + strings.Repeat("goroutine ", 40),
			})
		}
		all.Verdicts = append(all.Verdicts, v)
		all.Series = append(all.Series, record.Series{
			Header: head("series"), Class: "SP", Leaf: true, Func: "leaf65552", Observer: "gc", Runs: 3, Deaths: 2, Exposed: 9,
			Lives: []record.Life{{Seconds: 1, Died: true}, {Seconds: 2, Died: true}, {Seconds: 6}}, Engine: "emulated",
		})
	}
	return all
}

// TestEveryKind shows that each kind has a column, its texts and its windows, and only the
// kinds that depend on the frame size have a map.
func TestEveryKind(t *testing.T) {
	p := NewPage(everyKind("go1.23.4", "go1.27.4"))
	assert.Len(t, p.Kinds.Kinds, len(window.Kinds))
	for _, row := range p.Kinds.Rows {
		for _, c := range row.Cells {
			assert.Equal(t, cell{"died", diedSign, c.Title}, c, row.Name)
		}
	}
	assert.LessOrEqual(t, len(p.Maps), 5)
	assert.NotEmpty(t, p.Maps)
	var b bytes.Buffer
	require.NoError(t, p.HTML(&b))
	text := b.String()
	for _, k := range window.Kinds {
		assert.True(t, strings.Contains(text, "<dt>"+k.Name+"</dt>"), k.Name)
		assert.True(t, strings.Contains(text, "&lt;- "+k.Name+" window\n</mark>"), k.Name)
	}
	assert.True(t, strings.Contains(text, "R30 holds a pointer that nothing else holds"))
}

// TestKindGrid tells a kind that a verdict names from a window in which nothing died, and
// from none.
func TestKindGrid(t *testing.T) {
	all := everyKind("go1.23.4")
	all.Runs = nil
	all.Windows = all.Windows[:1]
	all.Verdicts[0].Affected = []string{"leaf FP"}
	all.Verdicts = append(all.Verdicts, record.Verdict{Header: record.Header{Go: "go1.27.4"}, Affected: []string{}})
	g := NewPage(all).Kinds
	require.Len(t, g.Kinds, 2)
	assert.Equal(t, []string{"leaf SP", "leaf FP"}, []string{g.Kinds[0].Name, g.Kinds[1].Name})
	assert.Equal(t, []string{"go1.23.4", "go1.27.4"}, g.Releases)
	assert.Equal(t, []gridRow{
		{"leaf SP", []cell{{"window", affectedSign, "go1.23.4: leaf SP: a window, nothing died in it"}, {"none", noneSign, "go1.27.4: leaf SP: none found"}}},
		{"leaf FP", []cell{{"window", affectedSign, "go1.23.4: leaf FP: affected"}, {"none", noneSign, "go1.27.4: leaf FP: none found"}}},
	}, g.Rows)
}

// TestScannedBinaries has windows of two binaries and of a toolchain's guest, all at the same
// address: each is on the page, and only the guest's has the run.
func TestScannedBinaries(t *testing.T) {
	all := everyKind("go1.23.4")
	all.Windows = all.Windows[:1]
	for _, path := range []string{"bin/a", "bin/b"} {
		w := all.Windows[0]
		w.Binary = path
		all.Windows = append(all.Windows, w)
	}
	p := NewPage(all)
	require.Len(t, p.Windows, 3)
	assert.Len(t, p.Windows[0].Runs, 1)
	assert.Empty(t, p.Windows[1].Runs)
	assert.Empty(t, p.Windows[2].Runs)
}

// TestPrintedColours shows that the dark colours are for screens: paper is white.
func TestPrintedColours(t *testing.T) {
	assert.Equal(t, 1, strings.Count(pageText, "prefers-color-scheme"))
	assert.Equal(t, 1, strings.Count(pageText, "@media screen and (prefers-color-scheme: dark) {"))
}
