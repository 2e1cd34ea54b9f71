package window

import (
	"math/bits"

	"splitadd/internal/arm64"
)

// A value is what is known of a register: nothing, a constant, or its distance
// from the stack pointer at the function's entry.
type value struct {
	kind valueKind
	n    int64 // the constant, or bytes above the entry's stack pointer
}

type valueKind uint8

const (
	unknown valueKind = iota
	constant
	fromEntry
)

func (v value) add(n int64) value {
	if v.kind == unknown {
		return v
	}
	return value{v.kind, v.n + n}
}

// callersFP is the frame pointer that a function is entered with. A caller's
// frame pointer is 8 below its stack pointer (cmd/internal/obj/arm64/obj7.go,
// preprocess: SUB $8, RSP, R29), and the callee is entered with the caller's.
var callersFP = value{fromEntry, -8}

// registers are the general registers, with the stack pointer as 31.
type registers [32]value

// entered returns the registers at a function's entry.
func entered() (r registers) {
	r[arm64.SP] = value{kind: fromEntry}
	r[arm64.FP] = callersFP
	return r
}

// claimed returns the registers that the function table lets one believe where
// the stack pointer is so many bytes below the entry's.
func claimed(below int64) (r registers) {
	r[arm64.SP] = value{fromEntry, -below}
	r[arm64.FP] = value{fromEntry, -below - 8}
	return r
}

// join forgets what differs from other, but for the stack and frame pointers,
// and reports whether that changed anything.
func (r *registers) join(other *registers) (changed bool) {
	for i := range r[:arm64.SP] {
		if i != arm64.FP && r[i].kind != unknown && r[i] != other[i] {
			r[i], changed = value{}, true
		}
	}
	return changed
}

// step executes one instruction as far as this project has to know it.
func (r *registers) step(w uint32) {
	if rd, rn, n, ok := arm64.AddImmediate(w); ok {
		r[rd] = r[rn].add(n)
		return
	}
	written := arm64.Writes(w)
	if written == 0 {
		return
	}
	if rd, rn, rm, shift, sub, ok := arm64.AddRegister(w); ok {
		sum := value{}
		if rm != arm64.SP && r[rm].kind == constant && shift <= 4 {
			n := r[rm].n << shift
			if sub {
				n = -n
			}
			sum = r[rn].add(n)
		}
		r[rd] = sum
		return
	}
	if rd, rm, ok := arm64.Move(w); ok && rd != 31 {
		if rm == 31 { // the zero register
			r[rd] = value{kind: constant}
		} else {
			r[rd] = r[rm]
		}
		return
	}
	if rd, n, ok := arm64.MoveBitmask(w); ok {
		r[rd] = value{constant, int64(n)}
		return
	}
	if rd, f, keeps, ok := arm64.MoveWide(w); ok && rd != 31 {
		if !keeps || r[rd].kind == constant {
			r[rd] = value{constant, int64(f(uint64(r[rd].n)))}
		} else {
			r[rd] = value{}
		}
		return
	}
	sp, fp := r[arm64.SP], r[arm64.FP]
	if flow, _, _ := arm64.Control(w); flow == arm64.Call {
		*r = registers{}
		r[arm64.SP], r[arm64.FP] = sp, fp
		return
	}
	moved := value{}
	rn, n, exact, writeback := arm64.Writeback(w)
	if writeback && exact {
		moved = r[rn].add(n)
	}
	for s := written; s != 0; s &= s - 1 {
		r[bits.TrailingZeros32(uint32(s))] = value{}
	}
	if writeback {
		r[rn] = moved
	}
	if loadsFP(w) && sp.kind == fromEntry && sp.n < 0 {
		r[arm64.FP] = callersFP
	}
}

// loadsFP reports whether an instruction loads the frame pointer from 8 below
// the stack pointer, where a function with a frame keeps its caller's.
func loadsFP(w uint32) bool {
	if rt, rn, n, ok := arm64.Load(w); ok {
		return rt == arm64.FP && rn == arm64.SP && n == -8
	}
	rt, rt2, rn, n, ok := arm64.LoadPair(w)
	return ok && rt == arm64.FP && rt2 != arm64.FP && rn == arm64.SP && n == -8
}
