package window

import (
	"slices"
)

// An origin says where a value comes from, as far as a function's code shows.
// Two places that hold the same origin hold the same value.
type origin struct {
	originKey
	of []int32 // origins that it is computed from; for joined, the origins that meet
}

// An originKey identifies an origin.
type originKey struct {
	kind originKind
	at   int32 // the instruction that makes it; for joined, the head
	n    int32 // distinguishes the origins of one instruction
}

type originKind uint8

const (
	result   originKind = iota // of a call, an argument, or an operation that is not followed
	integer                    // not an address: too narrow, a constant, the result of a shift
	onFrame                    // an address in the function's own frame
	inImage                    // an address in the program's image
	link                       // a return address
	fromHeap                   // 64 bits that were loaded from memory outside the frame
	derived                    // of[0] plus or minus something that is not an address
	unclear                    // the sum of two values, either of which may be the address
	joined                     // one of several, according to the path taken
)

// The places that hold values: registers 0 to 31 and, from 32 on, eight-byte
// slots of the frame.
const firstSlot = 32

// origins is the result of following every value through a function. What a
// place holds is the number of an origin: an index of list.
type origins struct {
	b      *body
	list   []origin // 0 stands for no known origin
	intern map[originKey]int32
	slots  map[int64]int // places by address from the stack pointer at entry
	blocks []block
	stored map[int32]bool // origins whose values are stored outside the frame
	held   []int32        // what each place holds: reused by atHead

	elsewhere, seen, notKept originSet // reused by isLost
}

// A block is the code from one head to the next, or to a jump.
type block struct {
	head, end int32   // instructions [head, end)
	from      []int32 // blocks from which control comes, sorted
	to        []int32 // blocks to which it goes
	out       []int32 // what each place holds at the end, or nil if it is not reached
	stale     bool    // what is known at the end of one of from has changed
}

// The cost of the result of follow in bytes, and the number of places that are copied or
// compared in a unit of work.
const (
	blockSize    = 112
	edgeSize     = 8
	originSize   = 96
	heldSize     = 4
	placesAtOnce = 8
)

// followOrigins follows every value through a function. It returns nil if the
// branches are too tangled for it.
func followOrigins(b *body) *origins {
	o := &origins{b: b, list: make([]origin, 1), intern: map[originKey]int32{}, slots: map[int64]int{}, stored: map[int32]bool{}}
	for i := range b.len() {
		if at, ok := b.slot(i); ok {
			m := b.effect(i).Mem
			for k := range int(m.N) {
				o.place(at + int64(k*int(m.Size)))
			}
		}
	}
	if b.tangled() {
		return nil
	}
	o.makeBlocks()
	if len(o.blocks)*o.countPlaces() > maxHeld {
		return nil
	}
	b.hold(heldSize * (len(o.blocks) + 1) * o.countPlaces())
	o.held = make([]int32, o.countPlaces())
	for range maxSweeps {
		changed := false
		b.budget.Work(len(o.blocks))
		for i := range o.blocks {
			if o.blocks[i].stale {
				changed = o.followBlock(i) || changed
			}
		}
		if !changed {
			return o
		}
	}
	return nil
}

// maxHeld bounds what follow remembers: places at ends of blocks.
const maxHeld = 1 << 22

// makeBlocks divides the function into blocks.
func (o *origins) makeBlocks() {
	b := o.b
	number := make([]int32, b.len()+1) // of the block that begins at a head
	for i := range b.len() {
		if b.head[i] {
			number[i] = int32(len(o.blocks))
			o.blocks = append(o.blocks, block{head: int32(i)})
		}
	}
	b.hold(4*len(number) + blockSize*len(o.blocks))
	for i := range o.blocks {
		k := &o.blocks[i]
		last := int(k.head)
		next := b.successors(last)
		for last+1 < b.len() && !b.head[last+1] && slices.Contains(next, int32(last+1)) {
			last++
			next = b.successors(last)
		}
		k.end = int32(last + 1)
		b.hold(2 * edgeSize * len(next))
		b.budget.Work(len(next))
		for _, to := range next {
			n := number[to]
			if from := o.blocks[n].from; len(from) > 0 && from[len(from)-1] == int32(i) {
				continue // a conditional branch to the next instruction
			}
			k.to = append(k.to, n)
			o.blocks[n].from = append(o.blocks[n].from, int32(i))
		}
	}
	for _, head := range append([]int32{0}, b.orphanHeads...) {
		o.blocks[number[head]].stale = true
	}
	if at := int(b.fn.DeferReturn()); at%4 == 0 && at/4 < b.len() && b.head[at/4] {
		o.blocks[number[at/4]].stale = true
	}
}

// place returns the number of the place of a slot.
func (o *origins) place(at int64) int {
	p, ok := o.slots[at]
	if !ok {
		p = firstSlot + len(o.slots)
		o.slots[at] = p
	}
	return p
}

func (o *origins) countPlaces() int { return firstSlot + len(o.slots) }

// number returns the number of an origin. Equal origins have the same number.
func (o *origins) number(kind originKind, at, n int, of ...int32) int32 {
	key := originKey{kind, int32(at), int32(n)}
	x, ok := o.intern[key]
	if !ok {
		x = int32(len(o.list))
		o.b.hold(originSize)
		o.list = append(o.list, origin{originKey: key})
		o.intern[key] = x
	}
	o.list[x].of = of
	return x
}

// followBlock follows the values through a block, and reports whether the values at its end
// have changed.
func (o *origins) followBlock(i int) bool {
	k := &o.blocks[i]
	k.stale = false
	held := o.atHead(i)
	for at := k.head; at < k.end; at++ {
		o.step(int(at), held)
	}
	o.b.budget.Work(int(k.end-k.head) + o.countPlaces()/placesAtOnce)
	if slices.Equal(k.out, held) {
		return false
	}
	k.out = append(k.out[:0], held...)
	for _, to := range k.to {
		o.blocks[to].stale = true
	}
	return true
}
