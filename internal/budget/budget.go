// Package budget limits what one file may cost to read: work, memory, windows and
// bytes of output, each in proportion to the file's size. Binaries may be hostile,
// so every loop over their contents spends from a Budget, which panics at its limit.
package budget

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// ErrExceeded is wrapped by the error for a file that takes more than its budget.
var ErrExceeded = errors.New("not a binary that the Go linker wrote")

// A Limit is how much of something a file may take: Base, and PerMB for each MiB of
// the file.
type Limit struct{ Base, PerMB int64 }

func (l Limit) of(size int64) int64 { return l.Base + size>>10*l.PerMB>>10 }

// Limits are what a file may take.
type Limits struct {
	Work    Limit // units: one is a table's value decoded, an instruction looked at, or 8 bytes searched
	Memory  Limit // bytes held at a time, beyond a few for each function
	Windows Limit
	Output  Limit // bytes of names, files and disassembly, for all windows together
}

// Default is at least ten times what the measured programs take: see TestReal of the
// package survey. The bases are for small files.
var Default = Limits{
	Work:    Limit{12 << 20, 12 << 20},
	Memory:  Limit{96 << 20, 5 << 18},
	Windows: Limit{64 << 10, 2 << 10},
	Output:  Limit{16 << 20, 512 << 10},
}

// A Budget is what is left for one file. Its methods may be called from several
// goroutines. The methods that spend panic with a *LimitPanic at the limit, so that loops do
// not need checks. objfile.Guard turns that into an error. A nil Budget has no limits.
type Budget struct {
	ctx                           context.Context
	work, memory, windows, output meter
}

type meter struct {
	used, most atomic.Int64
	limit      int64
}

// New returns the budget of a file of size bytes. It ends when ctx is done.
func New(ctx context.Context, l Limits, size int64) *Budget {
	b := &Budget{ctx: ctx}
	b.work.limit, b.memory.limit = l.Work.of(size), l.Memory.of(size)
	b.windows.limit, b.output.limit = l.Windows.of(size), l.Output.of(size)
	return b
}

// A LimitPanic is the value that the methods of a Budget panic with.
type LimitPanic struct{ Err error }

// spend adds to what is used, and returns what it was before.
func (m *meter) spend(n int, what string) (before int64) {
	used := m.used.Add(int64(n))
	if used > m.limit || n < 0 {
		panic(&LimitPanic{fmt.Errorf("more than %d %s: %w", m.limit, what, ErrExceeded)})
	}
	return used - int64(n)
}

// interval is the number of units of work between checks of the context. So many units
// take some milliseconds.
const interval = 1 << 18

// Work spends units of work.
func (b *Budget) Work(n int) {
	if b == nil {
		return
	}
	before := b.work.spend(n, "steps of work")
	if before/interval != (before+int64(n))/interval || before == 0 {
		if err := b.ctx.Err(); err != nil {
			panic(&LimitPanic{err})
		}
	}
}

// Hold takes memory, in bytes, until Free gives it back.
func (b *Budget) Hold(n int) {
	if b == nil {
		return
	}
	used := b.memory.spend(n, "bytes of memory") + int64(n)
	for most := b.memory.most.Load(); used > most && !b.memory.most.CompareAndSwap(most, used); most = b.memory.most.Load() {
	}
}

// Free gives back memory that Hold took.
func (b *Budget) Free(n int) {
	if b != nil {
		b.memory.used.Add(-int64(n))
	}
}

// Window spends one window.
func (b *Budget) Window() {
	if b != nil {
		b.windows.spend(1, "windows")
	}
}

// Output spends bytes of output.
func (b *Budget) Output(n int) {
	if b != nil {
		b.output.spend(n, "bytes of names")
	}
}

// A Usage is the share of each limit that is spent; 1 means all of it. For memory it is
// the largest share at any time.
type Usage struct{ Work, Memory, Windows, Output float64 }

// Usage returns how much is spent.
func (b *Budget) Usage() Usage {
	if b == nil {
		return Usage{}
	}
	part := func(used, limit int64) float64 { return float64(used) / float64(limit) }
	return Usage{
		part(b.work.used.Load(), b.work.limit), part(b.memory.most.Load(), b.memory.limit),
		part(b.windows.used.Load(), b.windows.limit), part(b.output.used.Load(), b.output.limit),
	}
}

// LargestShare returns the largest of the shares.
func (u Usage) LargestShare() float64 { return max(u.Work, u.Memory, u.Windows, u.Output) }
