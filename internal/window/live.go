package window

import "splitadd/internal/arm64"

// A bitset is a set of small numbers.
type bitset []uint64

func newBitset(n int) bitset    { return make(bitset, (n+63)/64) }
func (s bitset) has(i int) bool { return s[i/64]>>(i%64)&1 != 0 }
func (s bitset) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s bitset) remove(i int)   { s[i/64] &^= 1 << (i % 64) }
func (s bitset) addAll(t bitset) (changed bool) {
	for k := range s {
		if more := t[k] &^ s[k]; more != 0 {
			s[k] |= more
			changed = true
		}
	}
	return changed
}

// originSet is a set of origins that can be emptied in constant time.
type originSet struct {
	stamp []uint32 // by origin: the generation of the set in which it was added
	now   uint32
}

// clear empties the set and makes room for numbers below n.
func (m *originSet) clear(n int) {
	m.now++
	if n > len(m.stamp) {
		m.stamp = append(m.stamp, make([]uint32, n-len(m.stamp))...)
	}
}

func (m *originSet) has(n int32) bool { return m.stamp[n] == m.now }
func (m *originSet) add(n int32)      { m.stamp[n] = m.now }

// backward computes a backward data-flow problem over sets of n locations, and reports
// whether it could: the branches may be too tangled. For
// each instruction, transfer turns the set after it into the set before it, in
// place. Then backward calls visit with the set before each instruction, last
// instruction first.
func (b *body) backward(n int, transfer func(i int, s bitset), visit func(i int, before bitset)) bool {
	if b.tangled() {
		return false
	}
	heads := map[int]bitset{} // the set before each head
	after := newBitset(n)
	join := func(i int) {
		clear(after)
		for _, next := range b.successors(i) {
			if s, ok := heads[int(next)]; ok {
				after.addAll(s)
			}
		}
	}
	sweeps := 0
	for changed := true; changed; sweeps++ {
		if sweeps == maxSweeps {
			return false
		}
		b.budget.Work((b.len() + b.tables*len(b.orphanHeads)) * (1 + n/64))
		changed = false
		for i := b.len() - 1; i >= 0; i-- {
			if b.joinsAfter(i) {
				join(i)
			}
			transfer(i, after)
			if b.head[i] {
				s, ok := heads[i]
				if !ok {
					s = newBitset(n)
					b.hold(n/8 + 64)
					heads[i] = s
				}
				changed = s.addAll(after) || changed
			}
		}
	}
	for i := b.len() - 1; i >= 0; i-- {
		if b.joinsAfter(i) {
			join(i)
		}
		transfer(i, after)
		visit(i, after)
	}
	return true
}

// maxSweeps bounds the passes over a function's code. Compiled code needs two more
// passes than its loops are deep.
const maxSweeps = 64

// joinsAfter reports whether the set after instruction i is not simply the set
// before instruction i+1.
func (b *body) joinsAfter(i int) bool {
	return i+1 == b.len() || b.head[i+1] || b.jump(i).Kind != arm64.JumpNone && !b.isCall(i)
}
