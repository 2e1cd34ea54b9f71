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

// TestPointer runs the reproducer with the last release that loses its object, an
// older one, and the first that does not.
func TestPointer(t *testing.T) {
	formatted, err := format.Source(Pointer)
	require.NoError(t, err)
	assert.Equal(t, string(formatted), string(Pointer))
	assert.LessOrEqual(t, bytes.Count(Pointer, []byte("\n")), 40)
	ctx := context.Background()
	engine, err := lab.FindEngine(ctx, lab.Choice{})
	require.NoError(t, err)
	for release, deaths := range map[string]int{"go1.18.10": 2, "go1.23.4": 2, "go1.26.5": 2, "go1.26.6": 0, "go1.27.4": 0} {
		if labtest.LeftOut(t, release) {
			continue
		}
		toolchain, err := lab.Resolve(ctx, release)
		require.NoError(t, err)
		p, err := ProvePointer(ctx, toolchain, engine, 2, time.Minute)
		require.NoError(t, err)
		assert.Equal(t, deaths, p.Lives.Deaths(), "%s: %s", release, p.Log)
	}
}
