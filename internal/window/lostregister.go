package window

import (
	"fmt"
	"strings"

	"splitadd/internal/arm64"
)

// Clause 4, registers: asyncPreempt restores every live register in its full width.
//
// The registers come from the binary's own asyncPreempt, see readPreemption.
// R27 is never among them: asyncPreempt returns through it. It is the
// assembler's scratch register (REGTMP), which is why every instruction
// sequence that uses it is an unsafe point or restartable
// (cmd/internal/obj/arm64/asm7.go, isUnsafePoint and isRestartable).

// Places of live values: general registers, the low and the upper half of
// vector registers, and the flags.
const (
	lowHalf    = 32
	upperHalf  = 64
	flagsPlace = 96
	livePlaces = 97
)

// unrestored returns the places that a preemption does not restore. The stack
// pointer and R18, which Go's code does not use, are not among them.
func (p *preemption) unrestored() bitset {
	s := newBitset(livePlaces)
	for r := range 32 {
		if !p.general.Has(r) && r != 18 && r != arm64.SP {
			s.add(r)
		}
		if !p.low.Has(r) {
			s.add(lowHalf + r)
		}
		if !p.upper.Has(r) {
			s.add(upperHalf + r)
		}
	}
	if !p.flags {
		s.add(flagsPlace)
	}
	return s
}

// argumentRegisters are the registers in which calls take arguments and return results
// (the register-based calling convention, ABIInternal), and the context of a
// closure.
const argumentRegisters = arm64.Set(1<<16-1) | 1<<26

// stepBack updates s, the set of live places, from after an instruction to before it. The
// first word of the set has the general registers and the low halves of the vector
// registers. The second word has the upper halves and the flags.
func (b *body) stepBack(i int, s bitset) {
	if b.unknown[i] {
		return
	}
	e := b.effect(i)
	vectors := uint64(e.VWrites.All())
	s[0] &^= uint64(e.Writes) | vectors<<lowHalf
	s[1] &^= vectors
	if e.WritesFlags {
		s.remove(flagsPlace)
	}
	if b.isCall(i) { // what it does not keep is not live after it
		clear(s)
	}
	reads := e.Reads
	if reads.Has(arm64.R27) && b.storesForUnwinders(i) {
		reads &^= 1 << arm64.R27
	}
	s[0] |= uint64(reads) | uint64(e.VReads.All())<<lowHalf
	s[1] |= uint64(e.VReads.Upper())
	if b.isCall(i) || b.isReturn(i) {
		s[0] |= uint64(argumentRegisters) | (1<<16-1)<<lowHalf
	}
	if e.ReadsFlags {
		s.add(flagsPlace)
	}
}

// storesForUnwinders reports whether an instruction stores a value below the stack pointer
// that the function never loads. Up to go1.20, a prologue stores R29 and, as the return
// address, R27 there before it calls duffzero. It may be preempted before the call. Then
// an unwinder that follows the frame pointer misses a frame, and nothing else happens
// (cmd/internal/obj/arm64/obj7.go, the expansion of ADUFFZERO).
func (b *body) storesForUnwinders(i int) bool {
	m := b.effect(i).Mem
	at, ok := b.slot(i)
	if !ok || !m.Store || m.WritesBack || int(m.Disp)+m.Bytes() > 0 {
		return false
	}
	return at+int64(m.Bytes()) <= b.deepestLoad()
}

// deepestLoad returns the lowest address that the function loads from by the stack
// pointer, in bytes from the stack pointer at entry. It searches once and keeps the
// result.
func (b *body) deepestLoad() int64 {
	if !b.deepestKnown {
		b.deepestKnown = true
		b.budget.Work(b.len())
		for i := range b.len() {
			if at, ok := b.slot(i); ok && b.effect(i).Mem.Load {
				b.deepest = min(b.deepest, at)
			}
		}
	}
	return b.deepest
}

// lostRegisters reports the boundaries at which a register that a preemption does not
// restore is live. If asyncPreempt is so broken that this is true of nearly every
// boundary, it reports only the first. A restartable sequence runs again from its
// beginning, so inside it the registers that are live at its beginning count.
func (b *body) lostRegisters(p *preemption, report func(i int, detail string)) bool {
	lost := p.unrestored()
	needed := make([]bitset, b.len())
	if !b.backward(livePlaces, b.stepBack, func(i int, before bitset) {
		for k := range before {
			if before[k]&lost[k] != 0 {
				needed[i] = append(bitset(nil), before...)
				return
			}
		}
	}) {
		return false
	}
	for i := range b.len() {
		resume, ok := b.preemptible(i)
		if !ok || needed[resume] == nil || needed[i] == nil {
			continue
		}
		if names := namesOf(needed[resume], lost); names != "" {
			report(i, fmt.Sprintf("%s live here, and asyncPreempt does not restore it", names))
			if !p.restoresUsual || p.upper == 0 {
				return true
			}
		}
	}
	return true
}

// namesOf names the places that are in two sets.
func namesOf(a, b bitset) string {
	var names []string
	for p := range livePlaces {
		if !a.has(p) || !b.has(p) {
			continue
		}
		switch {
		case p < lowHalf:
			names = append(names, fmt.Sprintf("R%d is", p))
		case p < upperHalf:
			names = append(names, fmt.Sprintf("V%d is", p-lowHalf))
		case p < flagsPlace:
			names = append(names, fmt.Sprintf("the upper half of V%d is", p-upperHalf))
		default:
			names = append(names, "the condition flags are")
		}
	}
	return strings.Join(names, ", ")
}
