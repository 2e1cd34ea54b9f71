package window

import (
	"splitadd/internal/arm64"
	"splitadd/internal/budget"
	"splitadd/internal/pclntab"
)

// A body is the decoded code of one function, with its branches and its entries in the
// function table. The checkers of the clauses read it.
type body struct {
	fn      pclntab.Func
	code    []byte
	effects []arm64.Effects // by instruction, or nil: see effect
	jumps   []arm64.Jump    // likewise
	unknown []bool          // by instruction: arm64.Decode does not know the word
	pcsp    pclntab.Cursor
	points  *pclntab.SafePoints
	budget  *budget.Budget
	held    int // bytes of it, to be freed

	unsafe []int     // reused by guardedStores
	line   []int     // likewise
	places []address // likewise

	deepest      int64 // see deepestLoad
	deepestKnown bool

	head        []bool  // by instruction: control may come here by a branch, or past one
	orphanHeads []int32 // heads that no known branch reaches: the targets of jump tables
	tables      int     // jumps through a register
}

// decode reads the code of a function.
func decode(fn pclntab.Func, code []byte, pcsp pclntab.PCValues, points *pclntab.SafePoints, spend *budget.Budget) *body {
	n := len(code) / 4
	spend.Work(n * decodeWork)
	b := &body{
		budget: spend, fn: fn, code: code, pcsp: fn.Cursor(pcsp), points: points,
		jumps: make([]arm64.Jump, n), unknown: make([]bool, n), head: make([]bool, n+1),
	}
	b.hold((jumpSize + 3) * n)
	if n <= longFunction {
		b.hold(n * effectsSize)
		b.effects = make([]arm64.Effects, n)
	}
	for i := range n {
		e, ok := arm64.Decode(b.word(i))
		b.jumps[i], b.unknown[i] = e.Jump, !ok
		if e.Jump.Kind == arm64.JumpReg {
			b.tables++
		}
		if b.effects != nil {
			b.effects[i] = e
		}
	}
	entered := make([]bool, n+1) // reached by falling through or by a branch
	entered[0] = true
	for i := range n {
		for _, next := range b.successors(i) {
			entered[next] = true
			b.head[next] = b.head[next] || int(next) != i+1 || b.jump(i).Kind.Flow() == arm64.FlowCond
		}
	}
	if at := int(fn.DeferReturn()) / 4; at > 0 && at < n {
		b.head[at], entered[at] = true, true
	}
	b.head[0] = true
	for i := range n {
		if !entered[i] {
			b.head[i] = true
			b.orphanHeads = append(b.orphanHeads, int32(i))
		}
	}
	return b
}

// tangled reports whether the jump tables have too many ways for a clause that follows
// values: each jump through a register may go to every orphan head.
func (b *body) tangled() bool { return b.tables*len(b.orphanHeads) > 1<<18 }

// What a decoded instruction takes: bytes, and work against an instruction that
// the proof looks at.
const (
	effectsSize = 128
	jumpSize    = 8
	decodeWork  = 16
)

// longFunction is the number of instructions above which the effects of a function are not
// kept, but decoded each time, and above which one goroutine at a time checks it. So
// memory does not grow with the number of cores. Few functions are that long. Some
// programs with tables have functions of 200,000 instructions.
const longFunction = 1 << 12

// hold takes memory from the budget until free gives it back.
func (b *body) hold(n int) {
	b.budget.Hold(n)
	b.held += n
}

// free gives the memory of the body back to the budget.
func (b *body) free() { b.budget.Free(b.held) }

func (b *body) len() int          { return len(b.code) / 4 }
func (b *body) word(i int) uint32 { return wordAt(b.code, i) }
func (b *body) pc(i int) uint64   { return b.fn.Entry + uint64(4*i) }

// effect returns the effects of instruction i.
func (b *body) effect(i int) arm64.Effects {
	if b.effects != nil {
		return b.effects[i]
	}
	e, _ := arm64.Decode(b.word(i))
	return e
}

// jump returns where control goes after instruction i.
func (b *body) jump(i int) arm64.Jump {
	if b.jumps != nil {
		return b.jumps[i]
	}
	return b.effect(i).Jump
}

// claimed returns how many bytes the function table says that the stack pointer
// is below its value at entry, before instruction i.
func (b *body) claimed(i int) int64 {
	v, _ := b.pcsp.At(b.pc(i))
	return int64(v)
}

// successors returns the instructions of this function that may run right after
// instruction i. After a jump through a register these are the orphans.
func (b *body) successors(i int) []int32 {
	jump := b.jump(i)
	var to []int32
	if jump.Kind.Direct() && jump.Kind != arm64.JumpCall {
		if t := i + int(jump.Offset)/4; t >= 0 && t < b.len() {
			to = append(to, int32(t))
		}
	}
	switch jump.Kind.Flow() {
	case arm64.FlowBranch:
		return to
	case arm64.FlowExit:
		if jump.Kind == arm64.JumpReg {
			return b.orphanHeads
		}
		return nil
	}
	if i+1 < b.len() {
		to = append(to, int32(i+1))
	}
	return to
}

// preemptible reports whether the runtime may preempt a goroutine before
// instruction i, and at which instruction the goroutine then goes on.
func (b *body) preemptible(i int) (resume int, ok bool) {
	pc, why := b.points.At(b.pc(i))
	return int(pc-b.fn.Entry) / 4, why == ""
}

// isCall reports whether instruction i is a call.
func (b *body) isCall(i int) bool { return b.jump(i).Kind.Flow() == arm64.FlowCall }

// isReturn reports whether instruction i is a return.
func (b *body) isReturn(i int) bool { return b.jump(i).Kind == arm64.JumpReturn }

// target returns the address that a direct call or branch goes to.
func (b *body) target(i int) (pc uint64, ok bool) {
	j := b.jump(i)
	return b.pc(i) + uint64(int64(j.Offset)), j.Kind.Direct()
}

// slot returns the address that a load or store uses, in bytes from the stack
// pointer at the function's entry, if it is at a constant distance from the
// stack pointer.
func (b *body) slot(i int) (at int64, ok bool) {
	m := b.effect(i).Mem
	if !m.Load && !m.Store || m.Base != arm64.SP || m.Index != arm64.NoRegister || m.Block {
		return 0, false
	}
	return int64(m.Disp) - b.claimed(i), true
}
