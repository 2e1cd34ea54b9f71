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

// A step is what the tests read of a step of a workflow or an action.
type step struct {
	ID, Name, If, Uses, Shell, Run string
	With                           map[string]any
	Env                            map[string]string
}

// A job is what the tests read of a job of a workflow.
type job struct {
	Steps []step
	Env   map[string]string
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
// depend on go.sum, and that every job uploads its results and writes a summary. The
// action of this repository writes its own.
func TestWorkflowForm(t *testing.T) {
	for name, j := range jobs(t) {
		uploads, sums, checks := false, false, false
		for _, s := range j.Steps {
			own := s.Uses == "./"
			if s.Uses != "" && !own {
				assert.Regexp(t, `^actions/[a-z-]+@v[0-9]+$`, s.Uses, name)
			}
			if strings.HasPrefix(s.Uses, "actions/setup-go@") {
				assert.Equal(t, "go.sum", s.With["cache-dependency-path"], name)
			}
			uploads = uploads || own || strings.HasPrefix(s.Uses, "actions/upload-artifact@")
			sums = sums || own || strings.Contains(s.Run, `>>"$GITHUB_STEP_SUMMARY"`)
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
	order := []string{"native", "shard", "report", "action", "emulated"}
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
				if s.Uses == "./" {
					ran := runAction(t, dir, dir, s.With)
					require.NoError(t, ran.err, "%s", ran.output)
					require.NoError(t, os.WriteFile(summary, []byte(ran.summary), 0o600))
					continue
				}
				s.Run = expression.ReplaceAllString(s.Run, shard)
				s.test(t, dir, name, append(os.Environ(), "GITHUB_STEP_SUMMARY="+summary))
			}
		}
		if name != "shard" {
			text, err := os.ReadFile(summary)
			require.NoError(t, err, name)
			assert.Regexp(t, "leaf SP, leaf FP|leaf FP, leaf SP", string(text), name)
		}
	}
	assert.FileExists(t, filepath.Join(dir, "suite.json"))
	assert.FileExists(t, filepath.Join(dir, "report.html"))
}

// test runs a step of a job. The step must not fail.
func (s step) test(t *testing.T, dir, job string, env []string) {
	for begins, why := range notHere {
		if strings.HasPrefix(s.Run, begins) {
			t.Logf("%s: not run: %s: %s", job, s.Run, why)
			return
		}
	}
	if s.Run == "" {
		return
	}
	s.Run = strings.Replace(s.Run, "-runs 40", "-runs 4", 1)
	out, err := s.run(t, dir, env)
	require.NoError(t, err, "%s: %s\n%s", job, s.Run, out)
	t.Logf("%s: %s", job, s.Run)
}

// run runs a step as the runner does: with bash, and up to the first failure.
func (s step) run(t *testing.T, dir string, env []string) (output string, err error) {
	require.NotContains(t, s.Run, "${{", "an expression, which becomes code")
	for name, value := range s.Env {
		require.NotContains(t, value, "${{", "an expression that has no value here")
		env = append(env, name+"="+value)
	}
	cmd := exec.Command("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", s.Run)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	return string(out), err
}
