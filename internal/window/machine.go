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

// registers are the general registers, with the stack pointer as 31. The last entry is
// the place on the stack where the caller's frame pointer is saved, unknown before that.
type registers [33]value

// savedFP is the index of the place of the caller's frame pointer in registers.
const savedFP = 32

// entryRegisters returns the registers at a function's entry.
func entryRegisters() (r registers) {
	r[arm64.SP] = value{kind: fromEntry}
	r[arm64.FP] = callersFP
	return r
}

// claimedRegisters returns the registers as the function table claims them, if its value for
// the stack pointer is that many bytes below the entry's.
func claimedRegisters(below int64) (r registers) {
	r[arm64.SP] = value{fromEntry, -below}
	r[arm64.FP] = value{fromEntry, -below - 8}
	r[savedFP] = r[arm64.FP]
	return r
}

// fpIsStale reports whether the frame pointer points to the saved frame pointer of the
// caller, in a frame that is popped.
func (r *registers) fpIsStale() bool {
	sp, fp := r[arm64.SP], r[arm64.FP]
	return fp.kind == fromEntry && fp == r[savedFP] && sp.kind == fromEntry && sp.n > fp.n+8
}

// join forgets the values that differ in other, except the stack and frame pointers,
// and reports whether anything changed.
func (r *registers) join(other *registers) (changed bool) {
	for i := range r {
		if i != arm64.SP && i != arm64.FP && r[i].kind != unknown && r[i] != other[i] {
			r[i], changed = value{}, true
		}
	}
	return changed
}

// step executes one instruction, as far as it affects the values that are followed.
func (r *registers) step(w uint32) {
	if rd, rn, n, ok := arm64.AddImmediate(w); ok {
		r[rd] = r[rn].add(n)
		return
	}
	written := arm64.Writes(w)
	rn, n, load, ok := accessesFP(w)
	at := r[rn].add(n) // where the frame pointer is loaded or stored
	if ok && !load && r[arm64.FP] == callersFP {
		r[savedFP] = at
	}
	if written == 0 || r.compute(w) {
		return
	}
	place := r[savedFP]
	if flow, _, _ := arm64.FlowOf(w); flow == arm64.FlowCall {
		sp, fp := r[arm64.SP], r[arm64.FP]
		*r = registers{}
		r[arm64.SP], r[arm64.FP], r[savedFP] = sp, fp, place
		return
	}
	moved := value{}
	base, by, exact, writeback := arm64.Writeback(w)
	if writeback && exact {
		moved = r[base].add(by)
	}
	for s := written; s != 0; s &= s - 1 {
		r[bits.TrailingZeros32(uint32(s))] = value{}
	}
	if writeback {
		r[base] = moved
	}
	if ok && load && place.kind == fromEntry && at == place {
		r[arm64.FP] = callersFP
	}
}

// compute executes an instruction that computes one register from others, and
// reports whether the instruction is one that values are followed through.
func (r *registers) compute(w uint32) bool {
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
		return true
	}
	if rd, rm, ok := arm64.Move(w); ok && rd != 31 {
		if rm == 31 { // the zero register
			r[rd] = value{kind: constant}
		} else {
			r[rd] = r[rm]
		}
		return true
	}
	if rd, n, ok := arm64.MoveBitmask(w); ok {
		r[rd] = value{constant, int64(n)}
		return true
	}
	if rd, f, keeps, ok := arm64.MoveWide(w); ok && rd != 31 {
		if !keeps || r[rd].kind == constant {
			r[rd] = value{constant, int64(f(uint64(r[rd].n)))}
		} else {
			r[rd] = value{}
		}
		return true
	}
	return false
}

// accessesFP decodes a load or store of the frame pointer at rn+n.
func accessesFP(w uint32) (rn int, n int64, load, ok bool) {
	a, ok := arm64.AccessOf(w)
	switch {
	case ok && a.Rt == arm64.FP:
		return a.Rn, a.Offset, a.Load, true
	case ok && a.Rt2 == arm64.FP:
		return a.Rn, a.Offset + 8, a.Load, true
	}
	return 0, 0, false, false
}
