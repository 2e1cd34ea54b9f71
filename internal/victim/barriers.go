package victim

// barrierCases are functions that store pointers in the heap. Whether they use the write
// barrier depends on whether garbage is being collected. If an object is lost, it is
// freed, and the next calls of the same functions use its memory at once.
var barrierCases = []Case{
	{Func: "storeNil", Clauses: []int{7}, call: callStoreNil, want: triple},
	{Func: "storePointer", Clauses: []int{7}, call: callStorePointer, want: triple},
	{Func: "storeGroup", Clauses: []int{7}, call: callStoreGroup, want: triple},
	{Func: "storeLoop", Clauses: []int{7}, call: callStoreLoop, want: triple},
}

// A node is an object with a value that must not change.
type node struct {
	next  *node //lint:ignore U1000 a node must be an object with pointers
	value [6]uint64
}

func newNode(x uint64) *node {
	n := new(node)
	for i := range n.value {
		n.value[i] = x + uint64(i)
	}
	return n
}

// wrong returns 0 if the node holds what newNode gave it.
func (n *node) wrong(x uint64) (bits uint64) {
	for i, v := range n.value {
		bits |= v ^ (x + uint64(i))
	}
	return bits
}

//go:noinline
func storeNil(slot **node) { *slot = nil }

//go:noinline
func storePointer(slot **node, n *node) { *slot = n }

//go:noinline
func storeGroup(slots *[4]*node, a, b, c, d *node) {
	slots[0], slots[1], slots[2], slots[3] = a, b, c, d
}

//go:noinline
func storeLoop(to, from []*node) {
	for i := range from {
		to[i] = from[i]
		from[i] = nil
	}
}

// held has the slots that the functions store to. newHeld is not inlined, so it is in the
// heap.
type held struct{ a, b [4]*node }

//go:noinline
func newHeld(x uint64) *held {
	h := new(held)
	for i := range h.a {
		h.a[i] = newNode(x + uint64(i)<<16)
	}
	return h
}

// wrong returns 0 if each slot holds the node that newHeld put there.
func wrong(slots *[4]*node, x uint64) (bits uint64) {
	for i, n := range slots {
		if n == nil {
			return ^uint64(0)
		}
		bits |= n.wrong(x + uint64(i)<<16)
	}
	return bits
}

func callStoreNil(x uint64, _ bool) uint64 {
	h := newHeld(x)
	for i := range h.a {
		n := h.a[i]
		storeNil(&h.a[i])
		h.b[i] = n
	}
	return triple(x) + wrong(&h.b, x)
}

func callStorePointer(x uint64, _ bool) uint64 {
	h := newHeld(x)
	for i := range h.a {
		storePointer(&h.b[i], h.a[i])
		storePointer(&h.a[i], nil)
	}
	return triple(x) + wrong(&h.b, x)
}

func callStoreGroup(x uint64, _ bool) uint64 {
	h := newHeld(x)
	storeGroup(&h.b, h.a[0], h.a[1], h.a[2], h.a[3])
	storeGroup(&h.a, nil, nil, nil, nil)
	return triple(x) + wrong(&h.b, x)
}

func callStoreLoop(x uint64, _ bool) uint64 {
	h := newHeld(x)
	storeLoop(h.b[:], h.a[:])
	return triple(x) + wrong(&h.b, x)
}
