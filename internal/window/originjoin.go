package window

import (
	"slices"

	"splitadd/internal/arm64"
)

// atHead returns what every place holds at the beginning of a block. If all ways to the
// block agree on a place, it holds that value; otherwise it holds a joined origin. The
// next call reuses the memory of the result.
func (o *origins) atHead(i int) (held []int32) {
	k, held := &o.blocks[i], o.held
	if i == 0 {
		clear(held)
		for r := range 31 {
			held[r] = o.number(result, -1, r)
		}
		held[arm64.LR] = o.number(link, -1, 0)
		return held
	}
	ways := make([][]int32, 0, len(k.from))
	for _, from := range k.from {
		if out := o.blocks[from].out; out != nil {
			ways = append(ways, out)
		}
	}
	o.b.budget.Work(1 + o.countPlaces()*(1+len(ways))/placesAtOnce)
	switch len(ways) {
	case 0:
		clear(held)
		for r := range 31 {
			held[r] = o.number(result, int(k.head), r)
		}
	case 1:
		copy(held, ways[0])
	default:
		o.join(k, ways, held)
	}
	return held
}

// join combines what the places hold on several ways to a block. Places that hold the
// same values on every way get the same joined origin.
func (o *origins) join(k *block, ways [][]int32, held []int32) {
	copy(held, ways[0])
	type pair struct{ a, b int32 }
	pairs := map[pair]int32{}    // a number for each pair of values, on the ways so far and the next one
	origins := map[int32]int32{} // by that number: the joined origin
	for p := range held {
		same := true
		for _, way := range ways[1:] {
			same = same && way[p] == held[p]
		}
		if same {
			continue
		}
		met, unknown := int32(0), false
		for _, way := range ways {
			next, ok := pairs[pair{met, way[p]}]
			if !ok {
				next = int32(len(pairs) + 1)
				pairs[pair{met, way[p]}] = next
			}
			met, unknown = next, unknown || way[p] == 0
		}
		if unknown {
			held[p] = 0
			continue
		}
		if x, ok := origins[met]; ok {
			held[p] = x
			continue
		}
		var of []int32
		for _, way := range ways {
			if !slices.Contains(of, way[p]) {
				of = append(of, way[p])
			}
		}
		held[p] = o.number(joined, int(k.head), p, of...)
		origins[met] = held[p]
	}
}
