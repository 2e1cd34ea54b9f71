package window_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/window"
)

// TestContract compares the table of the clauses and their kinds with docs/contract.md.
func TestContract(t *testing.T) {
	page, err := os.ReadFile("../../docs/contract.md")
	require.NoError(t, err)
	kinds := 0
	for i, c := range window.Clauses {
		var names []string
		for _, k := range window.KindsOf(i + 1) {
			names = append(names, k.Name)
		}
		kinds += len(names)
		assert.Contains(t, string(page), fmt.Sprintf("\n| %d | %s | %s | ", i+1, c.Holds, strings.Join(names, ", ")))
	}
	assert.Len(t, window.Kinds, kinds, "each kind belongs to a clause")
}
