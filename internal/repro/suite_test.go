package repro

import (
	"context"
	"flag"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab"
	"splitadd/internal/lab/labtest"
)

var wholeSuite = flag.Bool("suite", false, "run the whole suite of its own module, with two releases and in the virtual machine")

// suite writes the suite's module and returns its folder.
func suite(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "suite")
	files, err := WriteSuite(dir)
	require.NoError(t, err)
	require.Greater(t, files, 100)
	return dir
}

// TestSuite writes the suite as a module of its own, builds it, and runs it for one
// victim; with -suite for all, with an old release and a new one.
func TestSuite(t *testing.T) {
	dir := suite(t)
	_, err := WriteSuite(dir)
	require.ErrorContains(t, err, "not empty")
	readme := strings.Count(readme, "\n")
	assert.LessOrEqual(t, readme, 10)

	modules := labtest.Go(t, dir, nil, "list", "-deps", "-test", "-f", "{{with .Module}}{{.Path}}{{end}}", "./...")
	for _, m := range strings.Fields(modules) {
		assert.Contains(t, append(suiteRequires, "splitadd"), m)
	}
	labtest.Go(t, dir, nil, "mod", "tidy", "-diff")
	labtest.Go(t, dir, []string{"GOTOOLCHAIN=go1.23.4"}, "vet", "./...")
	if !*wholeSuite {
		out := labtest.Go(t, dir, []string{"GOTOOLCHAIN=go1.27.4"}, "test", "./race", "-run", "SplitADDFrames/^leaf65552$", "-v")
		assert.Contains(t, out, "go1.27.4; affected: leaf SP, leaf FP")
		assert.Regexp(t, `leaf SP window.*gc: died`, out)
		return
	}
	for _, release := range []string{"go1.23.4", "go1.27.4"} {
		out := labtest.Go(t, dir, []string{"GOTOOLCHAIN=" + release}, "test", "./...", "-run", "SplitADD", "-v", "-timeout", "30m")
		assert.Contains(t, out, release+"; affected: leaf SP, leaf FP")
		t.Log(out)
	}
}

// TestSuiteVM runs the suite's test binary inside the virtual machine, where the engine is
// native.
func TestSuiteVM(t *testing.T) {
	if !*wholeSuite {
		t.Skip("the whole suite takes minutes in the virtual machine: make test-all")
	}
	ctx := context.Background()
	e, err := lab.FindEngine(ctx, lab.Choice{Name: "vm"})
	require.NoError(t, err)
	defer e.Close()
	path := filepath.Join(t.TempDir(), "race.test")
	cmd := exec.Command("go", "test", "-c", "-o", path, "./race")
	cmd.Dir = suite(t)
	cmd.Env = append(cmd.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOTOOLCHAIN=go1.27.4")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	r, err := e.Run(ctx, lab.Job{Path: path, Args: []string{"-test.run", "SplitADD", "-test.v"}, Deadline: 30 * time.Minute})
	require.NoError(t, err)
	assert.Contains(t, string(r.Output), "go1.27.4; affected: leaf SP, leaf FP")
	assert.Contains(t, string(r.Output), "\nPASS\n")
	t.Logf("%s", r.Output)
}
