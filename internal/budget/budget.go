// Package budget limits what it may cost to read a file. There are limits to the work, the
// memory, the number of windows and the bytes of output, each in proportion to the file's size.
// Binaries may be hostile. So every loop over the contents of a file spends from the file's
// Budget, which panics at the limit.
package budget

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// ErrExceeded is wrapped by the error for a file that exceeds its budget.
var ErrExceeded = errors.New("not a binary that the Go linker wrote")

// A Limit is how much of something a file may take: Base plus PerMB for each MiB of the file.
type Limit struct{ Base, PerMB int64 }

func (l Limit) of(size int64) int64 { return l.Base + size>>10*l.PerMB>>10 }

// Limits are the limits for a file.
type Limits struct {
	Work    Limit // units: a unit is one decoded value of a table, one instruction, or 8 bytes of a search
	Memory  Limit // bytes held at the same time, apart from a few for each function
	Windows Limit
	Output  Limit // bytes of names, files and disassembly of all windows together
}

// Default is at least ten times what programs in practice need: TestReal of package survey
// measures that. The bases are for small files.
var Default = Limits{
	Work:    Limit{12 << 20, 12 << 20},
	Memory:  Limit{96 << 20, 5 << 18},
	Windows: Limit{64 << 10, 2 << 10},
	Output:  Limit{16 << 20, 512 << 10},
}

// A Budget is what is left of the limits for one file. Its methods may be called from several
// goroutines. The methods that spend panic with a *LimitPanic at the limit, so that loops need
// no checks. objfile.Guard turns the panic into an error. A nil Budget has no limits.
type Budget struct {
	ctx                           context.Context
	work, memory, windows, output meter
}

// A meter counts the use of one limit.
type meter struct {
	used, peak atomic.Int64
	limit      int64
}

// New returns the budget for a file of size bytes. When ctx is done, the next check of Work
// panics.
func New(ctx context.Context, l Limits, size int64) *Budget {
	b := &Budget{ctx: ctx}
	b.work.limit, b.memory.limit = l.Work.of(size), l.Memory.of(size)
	b.windows.limit, b.output.limit = l.Windows.of(size), l.Output.of(size)
	return b
}

// A LimitPanic is the value that the methods of a Budget panic with.
type LimitPanic struct{ Err error }

// spend adds n to what is used, and returns what was used before.
func (m *meter) spend(n int, what string) (before int64) {
	used := m.used.Add(int64(n))
	if used > m.limit || n < 0 {
		panic(&LimitPanic{fmt.Errorf("more than %d %s: %w", m.limit, what, ErrExceeded)})
	}
	return used - int64(n)
}

// checkInterval is the number of units of work between checks of the context. That many units
// take a few milliseconds.
const checkInterval = 1 << 18

// Work spends units of work.
func (b *Budget) Work(n int) {
	if b == nil {
		return
	}
	before := b.work.spend(n, "steps of work")
	if before/checkInterval != (before+int64(n))/checkInterval || before == 0 {
		if err := b.ctx.Err(); err != nil {
			panic(&LimitPanic{err})
		}
	}
}

// Hold takes n bytes of memory until Free gives them back.
func (b *Budget) Hold(n int) {
	if b == nil {
		return
	}
	used := b.memory.spend(n, "bytes of memory") + int64(n)
	for most := b.memory.peak.Load(); used > most && !b.memory.peak.CompareAndSwap(most, used); most = b.memory.peak.Load() {
	}
}

// Free gives back n bytes of memory that Hold took.
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

// A Usage is the share of each limit that is used, where 1 is all of it. For memory it is the
// largest share at any time.
type Usage struct{ Work, Memory, Windows, Output float64 }

// Usage returns what is used.
func (b *Budget) Usage() Usage {
	if b == nil {
		return Usage{}
	}
	share := func(used, limit int64) float64 { return float64(used) / float64(limit) }
	return Usage{
		share(b.work.used.Load(), b.work.limit), share(b.memory.peak.Load(), b.memory.limit),
		share(b.windows.used.Load(), b.windows.limit), share(b.output.used.Load(), b.output.limit),
	}
}

// LargestShare returns the largest of the shares.
func (u Usage) LargestShare() float64 { return max(u.Work, u.Memory, u.Windows, u.Output) }
