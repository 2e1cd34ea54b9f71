package triage

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestSearchBudget searches for a chain of calls in a graph with very many calls. The search
// ends when its steps are used up.
func TestSearchBudget(t *testing.T) {
	s := &sites{callers: map[uint64][]site{}}
	const functions = 300
	for callee := range uint64(functions) {
		for caller := range uint64(functions) {
			s.callers[callee] = append(s.callers[callee], site{entry: caller, frame: int64(16 + 32*(caller%7))})
		}
	}
	left := maxSteps
	bound(t, "a search", slack*2, 200, func() {
		_, _, ok := s.searchChain(state{0, 1 << 20}, false, &left)
		assert.False(t, ok)
	})
	assert.LessOrEqual(t, left, 0)
}
