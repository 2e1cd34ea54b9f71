package window_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/window"

	"splitadd/internal/lab/labtest"
)

// TestLadder states which functions of the ladder have their pointer in R30 alone,
// as their disassembly and their deaths have shown.
func TestLadder(t *testing.T) {
	for release, want := range map[string]string{
		"go1.18.10": "pointer25 pointer26 pointer28",
		"go1.23.4":  "pointer25 pointer26 pointer28",
		"go1.23.12": "pointer25 pointer26 pointer28",
		"go1.26.5":  "pointer25",
		"go1.26.6":  "",
		"go1.27.4":  "",
	} {
		if labtest.LeftOut(t, release) {
			continue
		}
		_, finder := open(t, release)
		functions, err := finder.Functions(prefix)
		require.NoError(t, err)
		var got []string
		for _, f := range functions {
			for _, w := range f.Windows {
				if w.Class == window.Pointer {
					if name := strings.TrimPrefix(f.Name, prefix); len(got) == 0 || got[len(got)-1] != name {
						got = append(got, name)
					}
				}
			}
		}
		assert.Equal(t, want, strings.Join(got, " "), release)
	}
}
