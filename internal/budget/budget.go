// Package budget limits the cost of reading a file: the work, the memory, the number of
// windows and the bytes of output, each in proportion to the file's size. Binaries may be
// hostile, so every loop over the contents of a file spends from the file's Budget, which
// panics at the limit.
package budget

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// ErrExceeded is wrapped by the error for a file that exceeds its budget.
var ErrExceeded = errors.New("not a binary that the Go linker wrote")

// A Limit is a number that depends on the size of a file: Base, plus PerMB for each MiB.
type Limit struct{ Base, PerMB int64 }

// forSize returns the limit for a file of size bytes.
func (l Limit) forSize(size int64) int64 { return l.Base + size>>10*l.PerMB>>10 }

// Limits are the limits for a file.
type Limits struct {
	Work    Limit // units: a unit is one decoded value of a table, one instruction, or 8 bytes that are searched
	Memory  Limit // bytes in use at the same time, without the few that each function needs
	Windows Limit
	Output  Limit // bytes of names, files and disassembly of all windows together
}

// Default is at least ten times what real programs need, which TestReal of package survey
// measures. The bases are for small files.
var Default = Limits{
	Work:    Limit{12 << 20, 12 << 20},
	Memory:  Limit{96 << 20, 5 << 18},
	Windows: Limit{64 << 10, 2 << 10},
	Output:  Limit{16 << 20, 512 << 10},
}

// A Budget counts what reading one file has cost, and enforces the limits. Its methods may be
// called from several goroutines. Work, Hold, Window and Output panic with a *LimitPanic if
// they exceed the limit, so that loops need no checks. objfile.Guard turns the panic into an
// error. A nil Budget has no limits.
type Budget struct {
	ctx                           context.Context
	work, memory, windows, output meter
}

// A meter counts the use of one resource.
type meter struct {
	used, peak atomic.Int64
	limit      int64
}

// New returns the budget for a file of size bytes. When ctx is done, Work panics with a
// *LimitPanic that has the error of ctx.
func New(ctx context.Context, l Limits, size int64) *Budget {
	b := &Budget{ctx: ctx}
	b.work.limit, b.memory.limit = l.Work.forSize(size), l.Memory.forSize(size)
	b.windows.limit, b.output.limit = l.Windows.forSize(size), l.Output.forSize(size)
	return b
}

// A LimitPanic is the value that the methods of a Budget panic with.
type LimitPanic struct{ Err error }

// spend adds n to what is used, and returns what was used before. It panics if the sum exceeds
// the limit.
func (m *meter) spend(n int, unit string) (before int64) {
	used := m.used.Add(int64(n))
	if used > m.limit || n < 0 {
		panic(&LimitPanic{fmt.Errorf("more than %d %s: %w", m.limit, unit, ErrExceeded)})
	}
	return used - int64(n)
}

// checkInterval is the number of units of work between checks of the context. That many units
// take a few milliseconds.
const checkInterval = 1 << 18

// Work spends n units of work.
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
	for peak := b.memory.peak.Load(); used > peak && !b.memory.peak.CompareAndSwap(peak, used); peak = b.memory.peak.Load() {
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

// Output spends n bytes of output.
func (b *Budget) Output(n int) {
	if b != nil {
		b.output.spend(n, "bytes of names")
	}
}

// A Usage is the share of each limit that is used, where 1 is the whole limit. For memory it is the largest
// share at any time.
type Usage struct{ Work, Memory, Windows, Output float64 }

// Usage returns the shares that are used.
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
