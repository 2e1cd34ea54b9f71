package window

import (
	"slices"
	"strconv"
	"strings"

	"splitadd/internal/arm64"
)

// An origin says where a value comes from, as far as a function's code shows.
// Two places that hold the same origin hold the same value.
type origin struct {
	kind originKind
	at   int   // the instruction that makes it; for joined, the head
	n    int64 // tells the origins of one instruction apart
	of   []int // origins that it is computed from; for joined, what comes together
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
	unclear                    // the sum of two values of which either may be the address
	joined                     // one of several, according to the path taken
)

// The places that hold values: registers 0 to 31 and, from 32 on, eight-byte
// slots of the frame.
const firstSlot = 32

// origins is the result of following every value through a function.
type origins struct {
	b      *body
	list   []origin       // by number; 0 stands for no known origin
	intern map[string]int // numbers of origins by what they are
	slots  map[int64]int  // places by address from the stack pointer at entry
	heads  map[int][]int  // what each place holds, before each head
	stored map[int]bool   // origins whose values are stored outside the frame
	exits  map[int]map[int][]int
}

// follow follows every value through a function. It returns nil if the
// branches are too tangled for it.
func follow(b *body) *origins {
	o := &origins{b: b, list: make([]origin, 1), intern: map[string]int{}, slots: map[int64]int{}, stored: map[int]bool{}}
	for i := range b.len() {
		if at, ok := b.slot(i); ok {
			m := &b.effects[i].Mem
			for k := range int(m.N) {
				o.place(at + int64(k*int(m.Size)))
			}
		}
	}
	heads := 0
	for i := range b.len() {
		if b.head[i] {
			heads++
		}
	}
	if heads*o.places() > maxHeld {
		return nil
	}
	o.heads, o.exits = map[int][]int{}, map[int]map[int][]int{}
	b.hold(3 * 8 * heads * o.places())
	for range maxSweeps {
		changed := false
		b.budget.Work(b.len() + heads*o.places())
		for i := 0; i < b.len(); i++ {
			if b.head[i] {
				changed = o.block(i) || changed
			}
		}
		if !changed {
			return o
		}
	}
	return nil
}

// maxHeld bounds what follow remembers: places at heads.
const maxHeld = 1 << 22

// place returns the number of the place of a slot.
func (o *origins) place(at int64) int {
	p, ok := o.slots[at]
	if !ok {
		p = firstSlot + len(o.slots)
		o.slots[at] = p
	}
	return p
}

func (o *origins) places() int { return firstSlot + len(o.slots) }

// number returns the number of an origin, the same for the same one.
func (o *origins) number(x origin) int {
	key := strconv.Itoa(int(x.kind)) + " " + strconv.Itoa(x.at) + " " + strconv.FormatInt(x.n, 10)
	if n, ok := o.intern[key]; ok {
		o.list[n].of = x.of
		return n
	}
	o.list = append(o.list, x)
	o.intern[key] = len(o.list) - 1
	return len(o.list) - 1
}

// block follows the values from a head to the next one, and reports whether
// that changed what is known at the end.
func (o *origins) block(i int) bool {
	held, reached := o.enter(i)
	if !reached {
		return false
	}
	if old, ok := o.heads[i]; ok && slices.Equal(old, held) && o.exits[i] != nil {
		return false
	}
	o.heads[i] = slices.Clone(held)
	out := map[int][]int{}
	for at := i; ; at++ {
		next := o.b.next(at)
		o.step(at, held)
		last := at+1 == o.b.len() || o.b.head[at+1] || len(next) != 1 || int(next[0]) != at+1
		if last || o.b.effects[at].Jump.Kind.Flow() == arm64.Cond {
			for _, to := range next {
				if o.b.head[to] {
					out[int(to)] = slices.Clone(held)
				}
			}
		}
		if at+1 == o.b.len() || o.b.head[at+1] || !slices.Contains(next, int32(at+1)) {
			break
		}
	}
	changed := false
	for to, values := range out {
		in := o.exits[to]
		if in == nil {
			in = map[int][]int{}
			o.exits[to] = in
		}
		if !slices.Equal(in[i], values) {
			in[i], changed = values, true
		}
	}
	if o.exits[i] == nil {
		o.exits[i] = map[int][]int{}
	}
	return changed
}

// enter returns what every place holds where control enters a head: what all
// ways to it agree on, and a joined origin for the rest.
func (o *origins) enter(i int) (held []int, reached bool) {
	in := o.exits[i]
	if i == 0 {
		held = make([]int, o.places())
		for r := range 31 {
			held[r] = o.number(origin{kind: result, at: -1, n: int64(r)})
		}
		held[arm64.LR] = o.number(origin{kind: link, at: -1})
		return held, true
	}
	if len(in) == 0 {
		if !slices.Contains(o.b.orphan, int32(i)) && int(o.b.fn.DeferReturn()) != 4*i {
			return nil, false
		}
		held = make([]int, o.places())
		for p := range held {
			held[p] = o.number(origin{kind: result, at: i, n: int64(p)})
		}
		return held, true
	}
	from := make([]int, 0, len(in))
	for f := range in {
		from = append(from, f)
	}
	slices.Sort(from)
	held = slices.Clone(in[from[0]])
	if len(from) == 1 {
		return held, true
	}
	first := map[string]int{} // the first place that comes together from the same origins
	for p := range held {
		var of []int
		var key strings.Builder
		for _, f := range from {
			n := in[f][p]
			key.WriteString(strconv.Itoa(n))
			key.WriteByte(' ')
			if !slices.Contains(of, n) {
				of = append(of, n)
			}
		}
		if len(of) == 1 {
			continue
		}
		if slices.Contains(of, 0) {
			held[p] = 0
			continue
		}
		as, ok := first[key.String()]
		if !ok {
			as = p
			first[key.String()] = p
		}
		held[p] = o.number(origin{kind: joined, at: i, n: int64(as), of: of})
	}
	return held, true
}
