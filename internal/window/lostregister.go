package window

import (
	"fmt"
	"strings"

	"splitadd/internal/arm64"
)

// Clause 4, registers: every live register has its value back, in full width,
// after asyncPreempt.
//
// The registers come from the binary's own asyncPreempt, see preemptionOf.
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

// arguments are the registers in which calls take arguments and return results
// (the register-based calling convention, ABIInternal), and the context of a
// closure.
const arguments = arm64.Set(1<<16-1) | 1<<26

// needsTemp reports whether an instruction reads R27 for something that the program
// depends on. Up to go1.17 the runtime may preempt between the two instructions that
// write a frame record below the stack pointer, around a call of duffzero: the
// return address in it is for profilers outside the process, and nothing loads it.
func needsTemp(e *arm64.Effects) bool {
	m := &e.Mem
	record := m.Store && m.Pair() && m.Base == arm64.SP && m.Disp < -spared && !m.Updates && m.Regs == [4]int8{arm64.FP, arm64.R27, m.Regs[2], m.Regs[3]}
	return e.Reads.Has(arm64.R27) && !record
}

// live turns the places that are live after an instruction into those before it.
func (b *body) live(i int, s bitset) {
	e := &b.effects[i]
	if b.unknown[i] {
		return
	}
	for r := range 32 {
		if e.Writes.Has(r) {
			s.remove(r)
		}
		if all := e.VWrites.All(); all.Has(r) {
			s.remove(lowHalf + r)
			s.remove(upperHalf + r)
		}
	}
	if e.WritesFlags {
		s.remove(flagsPlace)
	}
	if b.isCall(i) { // what it does not keep is not live after it
		clear(s)
	}
	for r := range 32 {
		if r == arm64.R27 && !needsTemp(e) {
			continue
		}
		if e.Reads.Has(r) || (b.isCall(i) || b.isReturn(i)) && arguments.Has(r) {
			s.add(r)
		}
		if all := e.VReads.All(); all.Has(r) {
			s.add(lowHalf + r)
		}
		if up := e.VReads.Upper(); up.Has(r) {
			s.add(upperHalf + r)
		}
		if (b.isCall(i) || b.isReturn(i)) && r < 16 {
			s.add(lowHalf + r)
		}
	}
	if e.ReadsFlags {
		s.add(flagsPlace)
	}
}

// lostRegisters reports the boundaries at which a register is live that a
// preemption does not restore, or only the first of them if asyncPreempt is so
// broken that nearly every boundary is one. Inside a restartable sequence the instructions
// from its beginning on run again: what is live there counts.
func (b *body) lostRegisters(p *preemption, report func(i int, detail string)) bool {
	lost := p.unrestored()
	needed := make([]bitset, b.len())
	if !b.backward(livePlaces, b.live, func(i int, before bitset) {
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
			if !p.usual || p.upper == 0 {
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
