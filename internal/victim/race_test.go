package victim

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNoDataRace runs the guest under every observer, built for this machine with the race
// detector. It shows that the guest's crashes do not come from a data race.
func TestNoDataRace(t *testing.T) {
	if testing.Short() {
		t.Skip("long: a standard library with the race detector: make test-all")
	}
	path := filepath.Join(t.TempDir(), "guest")
	out, err := exec.Command("go", "build", "-race", "-o", path, "./guest").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, observer := range append([]string{"all"}, Observers...) {
		c := Config{Victim: "leaf65536", Observer: observer, Victims: 4, Procs: 5, Observe: 5}
		out, err := exec.Command(path, c.Args()...).CombinedOutput()
		require.NoError(t, err, "%s: %s", observer, out)
		assert.NotContains(t, string(out), "DATA RACE")
	}
}
