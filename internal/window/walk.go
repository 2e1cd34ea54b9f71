package window

import (
	"encoding/binary"

	"splitadd/internal/arm64"
	"splitadd/internal/budget"
	"splitadd/internal/pclntab"
)

// maxStates bounds the pairs of stack and frame pointer that are followed from
// one instruction. Go's code has one. A function with a push in a loop would
// have an unlimited number.
const maxStates = 8

// A walk follows the registers through the code of one function, along every
// branch. It keeps the registers only for leaders, the instructions where branches meet.
type walk struct {
	code  []byte
	entry uint64
	pcsp  pclntab.Cursor
	// recoverOffset is the offset at which a recovered panic returns, or 0.
	recoverOffset int

	budget *budget.Budget
	held   int // bytes of it, to be freed after the walk

	jumps   bool                // through a register, as to a jump table
	leader  []bool              // by instruction
	reached []bool              // by instruction
	states  map[int][]registers // by leader: one for each pair that reaches it
	work    []int               // leaders whose states have changed
}

// run walks from the entry and from the place to which a recovered panic returns. If
// there is a jump table, it also walks from the instructions that no known branch
// reaches, and takes the stack pointer there to be what the function table claims.
// Words that it does not reach are constants, not code.
func (w *walk) run() {
	n := len(w.code) / 4
	w.hold(2 * n)
	w.budget.Work(n)
	w.leader, w.reached, w.states = make([]bool, n), make([]bool, n), map[int][]registers{}
	if n == 0 {
		return
	}
	for i := range n {
		if target, ok := w.target(i); ok {
			w.leader[target] = true
		}
		w.jumps = w.jumps || arm64.IsBR(w.word(i))
	}
	w.reach(0, entryRegisters())
	if at := w.recoverOffset / 4; at > 0 && at < n {
		w.reachClaimed(at)
	}
	for from := 0; ; from++ {
		for len(w.work) > 0 {
			i := w.work[len(w.work)-1]
			w.work = w.work[:len(w.work)-1]
			for _, regs := range w.states[i] {
				w.block(i, regs, nil)
			}
		}
		for from < n && w.reached[from] {
			from++
		}
		if from == n || !w.jumps {
			return
		}
		w.reachClaimed(from)
	}
}

func (w *walk) reachClaimed(i int) {
	below, _ := w.pcsp.At(w.entry + uint64(4*i))
	w.reach(i, claimedRegisters(int64(below)))
}

// The bytes of a state, with its share of the map, and the work of a step of the walk,
// in multiples of the work for an instruction in proof.
const (
	stateSize = 768
	stepWork  = 4
)

// hold takes memory from the budget until free gives it back.
func (w *walk) hold(n int) {
	w.budget.Hold(n)
	w.held += n
}

// free gives the memory of the walk back to the budget.
func (w *walk) free() { w.budget.Free(w.held) }

// eachState calls visit with every state that reaches an instruction, in the order
// of the instructions.
func (w *walk) eachState(visit func(i int, regs *registers)) {
	for i, leader := range w.leader {
		if leader {
			for _, regs := range w.states[i] {
				w.block(i, regs, visit)
			}
		}
	}
}

// block executes the instructions from a leader on, up to the next leader or to an
// instruction from which control does not fall through. If visit is not nil, it reports
// each instruction. Otherwise it passes its registers on to the successors.
func (w *walk) block(i int, regs registers, visit func(i int, regs *registers)) {
	from := i
	defer func() { w.budget.Work(stepWork * (i - from + 1)) }()
	for first := true; ; first = false {
		if !first && w.leader[i] {
			if visit == nil {
				w.reach(i, regs)
			}
			return
		}
		if visit != nil {
			visit(i, &regs)
		}
		w.reached[i] = true
		word := w.word(i)
		regs.step(word)
		if target, ok := w.target(i); ok && visit == nil {
			w.reach(target, regs)
		}
		flow, _, _ := arm64.FlowOf(word)
		if flow == arm64.FlowBranch || flow == arm64.FlowExit || i+1 == len(w.leader) || w.neverPasses(i) {
			return
		}
		i++
	}
}

// reach notes that a leader is reached with registers, and queues it if that changes
// its states.
func (w *walk) reach(i int, regs registers) {
	w.leader[i] = true
	known := w.states[i]
	for k := range known {
		if known[k][arm64.SP] == regs[arm64.SP] && known[k][arm64.FP] == regs[arm64.FP] {
			if known[k].join(&regs) {
				w.work = append(w.work, i)
			}
			return
		}
	}
	if len(known) < maxStates {
		w.hold(stateSize)
		w.states[i] = append(known, regs)
		w.work = append(w.work, i)
	}
}

func (w *walk) word(i int) uint32 { return wordAt(w.code, i) }

// wordAt returns instruction i of a function's code.
func wordAt(code []byte, i int) uint32 { return binary.LittleEndian.Uint32(code[4*i:]) }

// target returns the instruction of this function that another may branch to.
func (w *walk) target(i int) (target int, ok bool) {
	flow, offset, _ := arm64.FlowOf(w.word(i))
	to := int64(i) + offset/4
	return int(to), (flow == arm64.FlowBranch || flow == arm64.FlowCond) && to >= 0 && to < int64(len(w.code)/4)
}

// doesNotFallThrough reports whether an instruction of this flow may be one after which the
// compiler puts a no-op that is never executed: see neverPasses.
func doesNotFallThrough(flow arm64.Flow) bool {
	return flow == arm64.FlowCall || flow == arm64.FlowBranch || flow == arm64.FlowExit
}

// neverPasses reports whether control never gets past an instruction, because it is a call
// that does not return, or the no-op after one. The compiler puts a no-op after a call
// at the end of a function's body, so that the return address is still in the function
// (cmd/compile/internal/ssagen, genssa). Up to go1.18 it also puts one, reached by a
// branch, where a select has no case left. The tail that grows the stack, or another
// block, follows. pcsp shows that: its value changes, although neither a call nor a
// no-op changes the stack pointer.
func (w *walk) neverPasses(i int) bool {
	word := w.word(i)
	flow, _, _ := arm64.FlowOf(word)
	if flow != arm64.FlowCall && word != arm64.Nop {
		return false
	}
	pc := w.entry + uint64(4*i)
	here, _ := w.pcsp.At(pc)
	next, _ := w.pcsp.At(pc + 4)
	if here == next {
		return false
	}
	if word == arm64.Nop && i > 0 {
		flow, _, _ = arm64.FlowOf(w.word(i - 1))
		return doesNotFallThrough(flow)
	}
	return flow == arm64.FlowCall
}
