package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/labtest"
)

var upstream = flag.Bool("upstream", false, "build patched toolchains, and check them")

// patched returns the root of a copy of a release to which
// docs/upstream/arm64-add.patch has been applied. The copy is whole, or has only the
// files that the patch changes.
func patched(t *testing.T, release string, whole bool) string {
	from, root := labtest.GOROOT(t, release), t.TempDir()
	patch, err := filepath.Abs("../../docs/upstream/arm64-add.patch")
	require.NoError(t, err)
	run := runIn(t, root)
	if whole {
		run("cp", "-r", from+"/.", root)
		run("chmod", "-R", "u+w", root)
	} else {
		for _, name := range []string{"src/cmd/internal/obj/arm64/asm7.go", "src/cmd/internal/obj/arm64/obj7.go", "src/cmd/asm/internal/asm/testdata/arm64.s"} {
			text, err := os.ReadFile(filepath.Join(from, name))
			require.NoError(t, err)
			require.NoError(t, os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(root, name), text, 0o600))
		}
	}
	run("git", "init", "-q")
	run("git", "apply", patch)
	return root
}

// TestUpstreamApplies applies the fix to the newest release, and to the oldest
// that is still supported.
func TestUpstreamApplies(t *testing.T) {
	for _, release := range []string{"go1.27.4", "go1.26.11"} {
		root := patched(t, release, false)
		text, err := os.ReadFile(filepath.Join(root, "src/cmd/internal/obj/arm64/asm7.go"))
		require.NoError(t, err)
		assert.Contains(t, string(text), "C_ADDCON2, C_RSP, C_NONE, C_RSP, C_NONE, 48, 8, 0, 0, 0}", release)
		assert.FileExists(t, filepath.Join(root, "src/runtime/preempt_frame_test.go"))
	}
}

// TestUpstreamClean builds both patched releases, and checks them.
func TestUpstreamClean(t *testing.T) {
	if !*upstream {
		t.Skip("builds two toolchains: make upstream")
	}
	for _, release := range []string{"go1.27.4", "go1.26.11"} {
		cmd, stdout, stderr := splitadd(t, "bisect", "-goroot", patched(t, release, true))
		assert.NoError(t, cmd.Run(), "%s", stderr)
		assert.Contains(t, stdout.String(), "is clean: no window found, nothing died in 4 control pins, nor in 3 runs of unmodified guests, ")
	}
}
