package window

import "splitadd/internal/arm64"

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
	old := *r
	written := arm64.Writes(w)
	for i := range r {
		if written.Has(i) {
			r[i] = value{}
		}
	}
	if rd, rn, n, ok := arm64.AddImmediate(w); ok {
		r[rd] = old[rn].add(n)
	} else if rd, rn, rm, shift, sub, ok := arm64.AddRegister(w); ok {
		if rm != arm64.SP && old[rm].kind == constant && shift <= 4 {
			n := old[rm].n << shift
			if sub {
				n = -n
			}
			r[rd] = old[rn].add(n)
		}
	} else if rd, rm, ok := arm64.Move(w); ok && rd != 31 {
		r[rd] = value{kind: constant}
		if rm != 31 {
			r[rd] = old[rm]
		}
	} else if rd, n, ok := arm64.MoveBitmask(w); ok {
		r[rd] = value{constant, int64(n)}
	} else if rd, f, keeps, ok := arm64.MoveWide(w); ok && rd != 31 {
		if !keeps || old[rd].kind == constant {
			r[rd] = value{constant, int64(f(uint64(old[rd].n)))}
		}
	} else if rn, n, exact, ok := arm64.Writeback(w); ok && exact {
		r[rn] = old[rn].add(n)
	} else if rt, rt2, rn, n, ok := arm64.LoadPair(w); ok {
		r.load(rt, old[rn].add(n), old)
		r.load(rt2, old[rn].add(n+8), old)
	} else if rt, rn, n, ok := arm64.Load(w); ok {
		r.load(rt, old[rn].add(n), old)
	}
	if flow, _, _ := arm64.Control(w); flow == arm64.Call {
		sp, fp := old[arm64.SP], old[arm64.FP]
		*r = registers{}
		r[arm64.SP], r[arm64.FP] = sp, fp
	}
}

// load loads a register from an address. The word just below the stack pointer
// of a function with a frame holds its caller's frame pointer.
func (r *registers) load(rt int, addr value, old registers) {
	if rt == arm64.FP && addr == old[arm64.SP].add(-8) && addr.n < -8 {
		r[rt] = callersFP
	}
}
