package budget_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/budget"
)

var limits = budget.Limits{
	Work: budget.Limit{Base: 1 << 20}, Memory: budget.Limit{Base: 10, PerMB: 5 << 10}, Windows: budget.Limit{Base: 2}, Output: budget.Limit{Base: 3},
}

// limitError calls f and returns the error of the *LimitPanic that it panics with, or nil.
func limitError(t *testing.T, f func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			stop, ok := p.(*budget.LimitPanic)
			require.True(t, ok, "%v", p)
			err = stop.Err
		}
	}()
	f()
	return nil
}

func TestLimits(t *testing.T) {
	b := budget.New(context.Background(), limits, 2048)
	require.NoError(t, limitError(t, func() {
		b.Hold(20)
		b.Free(20)
		b.Hold(5)
		b.Window()
		b.Window()
		b.Output(3)
		b.Work(1 << 19)
	}))
	assert.Equal(t, budget.Usage{Work: 0.5, Memory: 1, Windows: 1, Output: 1}, b.Usage())
	assert.InDelta(t, 1, b.Usage().LargestShare(), 0)
	for want, f := range map[string]func(){
		"more than 1048576 steps of work: not a binary that the Go linker wrote": func() { b.Work(1<<19 + 1) },
		"more than 20 bytes of memory: not a binary that the Go linker wrote":    func() { b.Hold(16) },
		"more than 2 windows: not a binary that the Go linker wrote":             func() { b.Window() },
		"more than 3 bytes of names: not a binary that the Go linker wrote":      func() { b.Output(1) },
	} {
		err := limitError(t, f)
		require.ErrorIs(t, err, budget.ErrExceeded)
		assert.EqualError(t, err, want)
	}
	var none *budget.Budget
	require.NoError(t, limitError(t, func() { none.Work(1 << 62); none.Hold(1 << 62); none.Free(1); none.Window(); none.Output(1 << 62) }))
	assert.Zero(t, none.Usage())
}

func TestContextDone(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	b := budget.New(ctx, limits, 0)
	require.NoError(t, limitError(t, func() { b.Work(1) }))
	cancel()
	err := limitError(t, func() {
		for range 1 << 20 {
			b.Work(1)
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.Less(t, b.Usage().Work, 0.5)
}
