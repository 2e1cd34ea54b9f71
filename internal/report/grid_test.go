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
func everyKind(releases ...string) *record.All {
	all := new(record.All)
	for _, release := range releases {
		head := func(kind string) record.Head { return record.Head{Kind: kind, Version: 1, Go: release} }
		v := record.Verdict{Head: head("verdict"), Affected: window.KindNames(), Proved: true, Tested: &record.Tested{Windows: 9, Controls: 7, Stress: 3, Seconds: 6}}
		for i, k := range window.Kinds {
			frame := []int64{65552, 69632}[i%2]
			pc := "0x" + strings.Repeat("1", i+1)
			w := record.Window{
				Head: head("window"), Class: k.Class, Leaf: strings.HasPrefix(k.Name, "leaf"), Stale: k.Name == "stale FP", Func: "splitadd/internal/victim.f" + pc, Frame: frame,
				PC: pc, Offset: "0x68", Actual: 65536, Claimed: frame, Preemptible: true, File: "victim/frames.go", Line: 16,
				Disassembly: "  0x8d6f8 +0x68\t914043bd\tADD $(16<<12), R29, R29   <- " + k.Name + " window\n  0x8d6fc +0x6c\t910043ff\tADD $16, RSP, RSP\n",
			}
			if k.ProvedByHold {
				w.Detail = "R30 holds a pointer that nothing else holds, and the collector does not scan it"
			}
			all.Windows = append(all.Windows, w)
			all.Runs = append(all.Runs, record.Run{
				Head: head("run"), Class: k.Class, Leaf: w.Leaf, Frame: int(frame), Func: w.Func, Observer: k.Observer, Pinned: true, PC: pc, Offset: w.Offset, Outcome: trial.Died,
				Seconds: 0.12, Engine: "emulated: qemu-aarch64 7.2.22, user mode, cpu max, on linux/amd64, Linux 6.1, a processor, 2 cpus",
				Evidence: "fatal error: traceback did not unwind completely",
				Log:      "runtime: g19: frame.sp=0x4000085f80 top=0x4000087fd0\n\tstack=[0x4000080000-0x4000088000\nfatal error: traceback did not unwind completely\n" + strings.Repeat("goroutine ", 40),
			})
		}
		all.Verdicts = append(all.Verdicts, v)
		all.Series = append(all.Series, record.Series{
			Head: head("series"), Class: "SP", Leaf: true, Func: "leaf65552", Observer: "gc", Runs: 3, Deaths: 2, Exposed: 9,
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
	assert.Len(t, p.Kinds.Rows, 2)
	for _, row := range p.Kinds.Rows {
		for i, c := range row.Cells {
			assert.Equal(t, "proved", c.Text, "%s: %s", row.Name, p.Kinds.Kinds[i].Name)
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
	all.Verdicts = append(all.Verdicts, record.Verdict{Head: record.Head{Go: "go1.27.4"}, Affected: []string{}})
	g := NewPage(all).Kinds
	require.Len(t, g.Kinds, 2)
	assert.Equal(t, []string{"leaf SP", "leaf FP"}, []string{g.Kinds[0].Name, g.Kinds[1].Name})
	assert.Equal(t, []string{"window", "affected"}, []string{g.Rows[0].Cells[0].Text, g.Rows[0].Cells[1].Text})
	assert.Equal(t, []string{"none", "none"}, []string{g.Rows[1].Cells[0].Text, g.Rows[1].Cells[1].Text})
}
