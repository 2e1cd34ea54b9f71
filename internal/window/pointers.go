package window

import (
	"slices"

	"splitadd/internal/arm64"
)

// Clause 5, pointers: every live pointer into the heap is somewhere the
// collector scans.
//
// sigctxt.pushCall (runtime/signal_arm64.go) stores the interrupted R30 in 16
// bytes of its own, between the frames of asyncPreempt and of the interrupted
// function. Before go1.25.13 and go1.26.6 scanframeworker (runtime/mgcmark.go)
// scanned these two frames, and not the bytes between them (golang/go#80188). The
// other registers that may hold a pointer, R0 to R26, are in asyncPreempt's frame.
// In a function that makes calls the compiler allocates R30 like any other.

// scannedRegisters are the registers that asyncPreempt saves where the collector looks.
// R18 is the platform's, R27 the assembler's and R28 the goroutine's
// descriptor, which the runtime keeps.
const scannedRegisters = arm64.Set(1<<27-1) &^ (1 << 18)

// lostPointers reports the boundaries at which R30 alone holds a value that is
// later used as an address. It returns false if the branches are too tangled to
// tell.
func (b *body) lostPointers(report func(i int, possible bool, detail string)) bool {
	if !b.allocatesLink() {
		return true
	}
	o := followOrigins(b)
	if o == nil {
		return false
	}
	needed := o.neededAddresses()
	if needed == nil {
		return false
	}
	for i := range o.blocks {
		k := &o.blocks[i]
		if k.out == nil {
			continue
		}
		held := o.atHead(i)
		for at := int(k.head); at < int(k.end); at++ {
			if needed.has(at) {
				o.checkBoundary(at, held, report)
			}
			o.step(at, held)
		}
	}
	return true
}

// checkBoundary reports a boundary at which R30 holds what is needed, if the runtime may
// preempt there and nothing else holds it.
func (o *origins) checkBoundary(at int, held []int32, report func(i int, possible bool, detail string)) {
	if _, ok := o.b.preemptible(at); !ok {
		return
	}
	o.b.budget.Work(o.countPlaces())
	lost, possible := o.isLost(held)
	if !lost {
		return
	}
	detail := "R30 alone holds a pointer: " + o.describe(held[arm64.LR])
	if possible {
		detail += ", lost if memory no longer holds it"
	}
	report(at, possible, detail)
}

// allocatesLink reports whether the function puts something other than a return
// address into R30.
func (b *body) allocatesLink() bool {
	for i := range b.len() {
		if allocatesLink(b.word(i)) {
			return true
		}
	}
	return false
}

// isLost reports whether R30 holds what may be a pointer into the heap that no
// scanned place holds. It is possible only, not certain, if the value was loaded
// from memory, or is stored to memory somewhere in the function: that may hold it.
func (o *origins) isLost(held []int32) (lost, possible bool) {
	n := held[arm64.LR]
	if n == 0 || held[arm64.LR] == held[arm64.FP] {
		return false, false
	}
	o.elsewhere.clear(len(o.list))
	for p, value := range held {
		if p >= firstSlot || scannedRegisters.Has(p) {
			o.addElsewhere(value)
		}
	}
	o.seen.clear(len(o.list))
	o.notKept.clear(len(o.list))
	if o.isKept(n) {
		return false, false
	}
	o.seen.clear(len(o.list))
	return true, o.mayBeInMemory(n)
}

// addElsewhere adds to elsewhere a value's origin and the origins of the pointers that the value
// is derived from, which point into the same object.
func (o *origins) addElsewhere(n int32) {
	for n != 0 && !o.elsewhere.has(n) {
		o.elsewhere.add(n)
		switch x := &o.list[n]; x.kind {
		case derived:
			n = x.of[0]
		case joined:
			n = o.onlyValue(n)
		default:
			return
		}
	}
}

// onlyValue returns the only value that a joined one can be, or 0 if there are several.
// Values that are derived from the joined one in a loop do not count.
func (o *origins) onlyValue(n int32) (only int32) {
	for _, of := range o.list[n].of {
		switch {
		case of == only || o.isDerivedFrom(of, n):
		case only != 0:
			return 0
		default:
			only = of
		}
	}
	return only
}

// isKept reports whether a value is not a pointer into the heap, or another place holds
// the object that it points into. In a cycle of values, each counts once.
func (o *origins) isKept(n int32) bool {
	if n == 0 || o.elsewhere.has(n) {
		return true
	}
	if o.seen.has(n) {
		return !o.notKept.has(n)
	}
	o.seen.add(n)
	x := &o.list[n]
	kept := false
	switch x.kind {
	case integer, onFrame, inImage, link:
		kept = true
	case derived:
		kept = o.isKept(x.of[0])
	case unclear:
		kept = o.isKept(x.of[0]) || o.isKept(x.of[1])
	case joined:
		kept = true
		for _, of := range x.of {
			kept = kept && o.isKept(of)
		}
	}
	if !kept {
		o.notKept.add(n)
	}
	return kept
}

// mayBeInMemory reports whether a value, or what it is computed from, may have been
// loaded from memory or stored to it.
func (o *origins) mayBeInMemory(n int32) bool {
	if o.seen.has(n) {
		return false
	}
	o.seen.add(n)
	x := &o.list[n]
	if x.kind == fromHeap || o.stored[n] {
		return true
	}
	return slices.ContainsFunc(x.of, o.mayBeInMemory)
}

// isDerivedFrom reports whether a value is another one or derived from it.
func (o *origins) isDerivedFrom(n, from int32) bool {
	for range maxSweeps {
		if n == from {
			return true
		}
		if n == 0 || o.list[n].kind != derived {
			return false
		}
		n = o.list[n].of[0]
	}
	return false
}

// describe says where the value of an origin comes from.
func (o *origins) describe(n int32) string {
	switch o.list[n].kind {
	case fromHeap:
		return "loaded from memory"
	case derived, unclear:
		return "computed from a value that nothing else holds"
	case joined:
		return "one of several values"
	case result:
		if o.list[n].at == -1 {
			return "an argument"
		}
	}
	return "a result"
}
