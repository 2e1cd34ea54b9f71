package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

var workflows = flag.Bool("workflows", false, "run the steps of the workflow on this machine")

// A job is what the tests read of a job of a workflow.
type job struct {
	Steps []struct {
		Name, If, Uses, Run string
		With                map[string]any
	}
	Env map[string]string
}

// jobs returns the jobs of the workflow.
func jobs(t *testing.T) map[string]job {
	text, err := os.ReadFile("../../.github/workflows/arm64.yml")
	require.NoError(t, err)
	var w struct {
		Permissions map[string]string
		Jobs        map[string]job
	}
	require.NoError(t, yaml.Unmarshal(text, &w))
	assert.Equal(t, map[string]string{"contents": "read"}, w.Permissions)
	return w.Jobs
}

// TestWorkflowForm checks that actions are pinned by their major version, that caches
// depend on go.sum, and that every job that checks something uploads its results and
// writes a summary.
func TestWorkflowForm(t *testing.T) {
	for name, j := range jobs(t) {
		uploads, sums, checks := false, false, false
		for _, s := range j.Steps {
			if s.Uses != "" {
				assert.Regexp(t, `^actions/[a-z-]+@v[0-9]+$`, s.Uses, name)
			}
			if strings.HasPrefix(s.Uses, "actions/setup-go@") {
				assert.Equal(t, "go.sum", s.With["cache-dependency-path"], name)
			}
			uploads = uploads || strings.HasPrefix(s.Uses, "actions/upload-artifact@")
			sums = sums || strings.Contains(s.Run, `>>"$GITHUB_STEP_SUMMARY"`)
			checks = checks || strings.Contains(s.Run, "check -json local")
		}
		assert.True(t, uploads, name)
		assert.True(t, sums || !checks && name == "shard", "%s: a part of a check has no table", name)
	}
}

// notHere are steps that cannot run in a test: they install packages, fetch Go's
// repository, or run this test.
var notHere = map[string]string{
	"apt-get update": "installs packages",
	"git clone":      "fetches Go's repository and builds it",
	".ci/run":        "runs this test",
}

// TestWorkflow runs every other step of the workflow, in the order of the jobs, in a copy
// of this repository. The engine is the one that splitadd chooses here.
func TestWorkflow(t *testing.T) {
	if !*workflows {
		t.Skip("long: the steps of the workflow: make test-all")
	}
	dir := t.TempDir()
	root := strings.TrimSpace(runIn(t, ".")("git", "rev-parse", "--show-toplevel"))
	runIn(t, ".")("git", "clone", "-q", root, dir)
	summary := filepath.Join(t.TempDir(), "summary.md")
	expression := regexp.MustCompile(`\$\{\{ *matrix\.shard *\}\}`)
	all := jobs(t)
	order := []string{"native", "shard", "report", "emulated"}
	require.Len(t, all, len(order))
	for _, name := range order {
		require.Contains(t, all, name)
		require.NoError(t, os.RemoveAll(summary))
		shards := []string{""}
		if name == "shard" {
			shards = []string{"1", "2", "3", "4"}
		}
		for _, shard := range shards {
			for _, s := range all[name].Steps {
				step(t, dir, name, expression.ReplaceAllString(s.Run, shard), append(os.Environ(), "GITHUB_STEP_SUMMARY="+summary))
			}
		}
		if name != "shard" {
			text, err := os.ReadFile(summary)
			require.NoError(t, err, name)
			assert.Contains(t, string(text), "leaf SP, leaf FP", name)
		}
	}
	assert.FileExists(t, filepath.Join(dir, "suite.json"))
	assert.FileExists(t, filepath.Join(dir, "report.html"))
}

// step runs a step of a job, as the runner does: with bash, and up to the first failure.
func step(t *testing.T, dir, job, script string, env []string) {
	for begins, why := range notHere {
		if strings.HasPrefix(script, begins) {
			t.Logf("%s: not run: %s: %s", job, script, why)
			return
		}
	}
	if script == "" {
		return
	}
	script = strings.Replace(script, "-runs 40", "-runs 4", 1)
	require.NotContains(t, script, "${{", "an expression of the workflow")
	cmd := exec.Command("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s\n%s", job, script, out)
	t.Logf("%s: %s", job, script)
}
