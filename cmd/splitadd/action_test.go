package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"splitadd/internal/lab/labtest"
)

// An action is what the tests read of action.yml.
type action struct {
	Name, Description string
	Inputs            map[string]struct{ Description, Default string }
	Outputs           map[string]struct{ Description, Value string }
	Runs              struct {
		Using string
		Steps []step
	}
}

func readAction(t *testing.T) (a action) {
	text, err := os.ReadFile("../../action.yml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &a))
	return a
}

// actionRun is what a run of the action leaves.
type actionRun struct {
	output, summary string
	uploads         []string // the files that other actions were given
	err             error    // of the first step that failed
}

// reference matches an expression of the action that is one value.
var reference = regexp.MustCompile(`\$\{\{ *([a-z.-]+) *\}\}`)

// runAction runs the steps of the action up to the first failure, in a folder of a user.
// The action itself is in the folder root. Steps that use other actions are not run.
func runAction(t *testing.T, root, dir string, with map[string]any) (ran actionRun) {
	a := readAction(t)
	values := map[string]string{}
	for name, input := range a.Inputs {
		values["inputs."+name] = input.Default
	}
	for name, value := range with {
		require.Contains(t, a.Inputs, name)
		values["inputs."+name] = fmt.Sprint(value)
	}
	expand := func(text string) string {
		return reference.ReplaceAllStringFunc(text, func(r string) string {
			name := reference.FindStringSubmatch(r)[1]
			require.Contains(t, values, name)
			return values[name]
		})
	}
	temp := t.TempDir()
	summary, outputs := filepath.Join(temp, "summary"), filepath.Join(temp, "outputs")
	env := append(os.Environ(), "GITHUB_ACTION_PATH="+root, "RUNNER_TEMP="+temp, "GITHUB_STEP_SUMMARY="+summary, "GITHUB_OUTPUT="+outputs)
	for _, s := range a.Runs.Steps {
		if s.If != "" {
			name, isSet := strings.CutSuffix(s.If, " != ''")
			require.True(t, isSet, "a condition that this test does not know: %s", s.If)
			require.Contains(t, values, name)
			if values[name] == "" {
				continue
			}
		}
		if s.Uses != "" {
			ran.uploads = append(ran.uploads, expand(s.With["sarif_file"].(string)))
			continue
		}
		for name, value := range s.Env {
			s.Env[name] = expand(value)
		}
		out, err := s.run(t, dir, env)
		if ran.output += out; err != nil {
			ran.err = err
			break
		}
		text, _ := os.ReadFile(outputs)
		for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
			name, value, _ := strings.Cut(line, "=")
			values["steps."+s.ID+".outputs."+name] = value
		}
	}
	text, _ := os.ReadFile(summary)
	ran.summary = string(text)
	return ran
}

// TestActionForm checks the members that GitHub requires, and that the docs list the inputs.
func TestActionForm(t *testing.T) {
	a := readAction(t)
	assert.Equal(t, "composite", a.Runs.Using)
	assert.NotEmpty(t, a.Name)
	assert.LessOrEqual(t, len(a.Description), 125, "the limit of the marketplace")
	for name, input := range a.Inputs {
		assert.NotEmpty(t, input.Description, name)
	}
	for _, s := range a.Runs.Steps {
		if s.Uses == "" {
			assert.Equal(t, "bash", s.Shell, s.Name)
		} else {
			assert.Equal(t, "github/codeql-action/upload-sarif@v4", s.Uses)
		}
	}
}

// TestAction runs the action for a program with windows in a user's folder.
func TestAction(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/module")))
	binary := labtest.Build(t, dir, ".", nil)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "with space"), 0o777))
	require.NoError(t, os.Rename(binary, filepath.Join(dir, "with space", "app")))
	run := func(with map[string]any) actionRun { return runAction(t, root, dir, with) }

	ran := run(nil)
	require.ErrorContains(t, ran.err, "exit status 3", "%s", ran.output)
	assert.Contains(t, ran.output, "example.com/app: ELF, ")
	assert.Regexp(t, `^### splitadd scan\n\n    1 Go binary for arm64, 1 with windows; .*\n(?s:.*)\n    example\.com/app: ELF, .*: 2 windows in 1 function: leaf FP, leaf SP\n`, ran.summary)
	assert.Equal(t, []string{"splitadd.sarif"}, ran.uploads, "uploaded before the step fails")
	sarif, err := os.ReadFile(filepath.Join(dir, "splitadd.sarif"))
	require.NoError(t, err)
	assert.Contains(t, string(sarif), `"ruleIndex"`)

	ran = run(map[string]any{"fail-on": "never", "paths": "with space/app\n\n./...\n", "sarif": ""})
	require.NoError(t, ran.err, "%s", ran.output)
	assert.Contains(t, ran.summary, "\n    2 Go binaries for arm64, 2 with windows;")
	assert.Empty(t, ran.uploads)

	ran = run(map[string]any{"baseline": "splitadd.json"})
	require.NoError(t, ran.err, "%s", ran.output)
	assert.Contains(t, ran.summary, "0 windows; 2 accepted\n")
	assert.Equal(t, []string{"splitadd.sarif"}, ran.uploads)
	ran = run(map[string]any{"kind": "barrier,lost pointer"})
	require.NoError(t, ran.err, "%s", ran.output)

	ran = run(map[string]any{"paths": "with space/app\nnosuch", "fail-on": "never"})
	require.ErrorContains(t, ran.err, "exit status 1", "%s", ran.output)
	assert.Contains(t, ran.summary, "    splitadd: error: nosuch: no such file")
	assert.Equal(t, []string{"splitadd.sarif"}, ran.uploads)

	ran = run(map[string]any{"fail-on": "always"})
	require.Error(t, ran.err)
	assert.Contains(t, ran.output, "want certain, possible or never")
	assert.Empty(t, ran.uploads)
	ran = run(map[string]any{"paths": "$(touch code)`touch code`", "kind": "';touch code'"})
	require.Error(t, ran.err)
	assert.NoFileExists(t, filepath.Join(dir, "code"), "an input is not code")
}
