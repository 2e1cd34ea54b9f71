package repro

import (
	"bytes"
	"context"
	"go/format"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab"

	"splitadd/internal/lab/labtest"
)

// TestSource checks the reproducer of every frame size that has one.
func TestSource(t *testing.T) {
	for kind := range Kinds {
		written := 0
		for frame := 32; frame <= MaxFrame+16; frame += 16 {
			source, err := Source(kind, frame)
			if err != nil {
				continue
			}
			written++
			if frame%4096 != 16 && frame > 70000 { // a sample of the rest
				continue
			}
			formatted, err := format.Source(source)
			require.NoError(t, err, "%s", source)
			require.Equal(t, string(formatted), string(source))
			lines := bytes.Count(source, []byte("\n"))
			require.LessOrEqual(t, lines, 40, "%s, %d", kind, frame)
		}
		assert.Greater(t, written, 9000, kind)
	}
	for _, c := range []struct {
		kind  string
		frame int
	}{{"leaf SP", 4112}, {"leaf SP", 65536}, {"leaf SP", 69632}, {"leaf FP", 65544 + 8 - 16 + 1}, {"leaf SP", 65553}, {"leaf SP", 0}, {"leaf SP", MaxFrame + 16}, {"non-leaf FP", 69632}} {
		_, err := Source(c.kind, c.frame)
		assert.Error(t, err, "%v", c)
	}
}

// TestProve builds reproducers, pins them and makes stress runs of them.
func TestProve(t *testing.T) {
	ctx := context.Background()
	engine, err := lab.FindEngine(ctx, lab.Choice{})
	require.NoError(t, err)
	for _, c := range []struct{ release, kind string }{
		{"go1.27.4", "leaf SP"}, {"go1.27.4", "leaf FP"}, {"go1.23.4", "non-leaf SP"}, {"go1.18.10", "leaf SP"},
	} {
		if labtest.LeftOut(t, c.release) {
			continue
		}
		t.Run(c.release+" "+c.kind, func(t *testing.T) {
			source, err := Source(c.kind, Kinds[c.kind])
			require.NoError(t, err)
			toolchain, err := lab.Resolve(ctx, c.release)
			require.NoError(t, err)
			p, err := Prove(ctx, toolchain, engine, c.kind, source, 5, time.Minute)
			require.NoError(t, err, "%s", p.Log)
			assert.True(t, p.Pinned.Died)
			assert.Equal(t, 5, p.Lives.Deaths())
			assert.EqualValues(t, Kinds[c.kind], p.Window.Frame)
			median, _ := p.Lives.Median()
			t.Logf("median %.2f s of %v", median, p.Lives)
		})
	}
	toolchain, err := lab.Resolve(ctx, "go1.27.4")
	require.NoError(t, err)
	source, err := Source("non-leaf SP", 65552)
	require.NoError(t, err)
	_, err = Prove(ctx, toolchain, engine, "non-leaf SP", source, 1, time.Second)
	require.ErrorIs(t, err, ErrNoWindow)
}
