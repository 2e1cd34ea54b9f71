package race

import (
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"splitadd/internal/trial"
	"splitadd/internal/window"
)

// TestSplitADDContract proves the kinds of window that do harm only after the goroutine
// has gone on. It holds a victim in each window and releases it. The victim then checks
// what it computes. For a kind without a window it holds a control, which must not be
// harmed.
func TestSplitADDContract(t *testing.T) {
	t.Logf("%s; %s", runtime.Version(), engine.Evidence)
	kinds := expectedKinds(t)
	var affected []string
	for _, k := range window.Kinds {
		if !k.ProvedByHold {
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			v, err := guest.Prove(ctx, k, *limit, func(r trial.Run) {
				how := "as built"
				if r.Pinned {
					how = "held at " + r.Window.String()
				}
				t.Logf("%s, %s: %v", r.Func, how, r)
			})
			require.NoError(t, err)
			require.Empty(t, v.Doubts)
			require.Equal(t, slices.Contains(kinds, k.Name), slices.Contains(v.Affected, k.Name), "the finder and the runs, or %s and the runs", verdictFile)
			affected = append(affected, v.Affected...)
		})
	}
	decide(t, "kinds that a hold proves", affected, func(kind string) bool { return !held(kind) })
}
