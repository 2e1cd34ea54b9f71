package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"splitadd/internal/gate"
	"splitadd/internal/lab/labtest"
)

// fence matches a block of code with a language.
var fence = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// ciBlock returns the block of docs/ci.md that is in a language and contains a text.
func ciBlock(t *testing.T, language, text string) string {
	page, err := os.ReadFile("../../docs/ci.md")
	require.NoError(t, err)
	var found []string
	for _, m := range fence.FindAllStringSubmatch(string(page), -1) {
		if m[1] == language && strings.Contains(m[2], text) {
			found = append(found, m[2])
		}
	}
	require.Len(t, found, 1, "%s block with %q", language, text)
	return found[0]
}

// A user has a folder with a module in it, as a user of the page does. What the page takes
// from https://github.com/OWNER/splitadd comes from the last commit of this repository.
type user struct {
	dir string
	env []string
}

func newUser(t *testing.T) user {
	temp := t.TempDir()
	u := user{dir: filepath.Join(temp, "src")}
	require.NoError(t, os.CopyFS(u.dir, os.DirFS("testdata/module")))
	bare, bin := filepath.Join(temp, "splitadd.git"), filepath.Join(temp, "bin")
	git := runIn(t, temp)
	git("git", "clone", "-q", "--bare", strings.TrimSpace(runIn(t, ".")("git", "rev-parse", "--show-toplevel")), bare)
	git("git", "--git-dir", bare, "branch", "-f", "v1", "HEAD")
	u.env = append(os.Environ(), "GOBIN="+bin, "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"), "GOWORK=off", "GOFLAGS=-buildvcs=false",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url.file://"+bare+".insteadOf", "GIT_CONFIG_VALUE_0=https://github.com/OWNER/splitadd")
	return u
}

// sh runs a command in the user's folder, and returns its exit status and output.
func (u user) sh(t *testing.T, command string) (status int, output string) {
	cmd := exec.Command("sh", "-ec", command)
	cmd.Dir, cmd.Env = u.dir, u.env
	out, err := cmd.CombinedOutput()
	require.NotNil(t, cmd.ProcessState, "%v", err)
	return cmd.ProcessState.ExitCode(), string(out)
}

// all runs commands that must succeed.
func (u user) all(t *testing.T, commands ...string) (output string) {
	for _, command := range commands {
		status, out := u.sh(t, command)
		require.Zero(t, status, "%s\n%s", command, out)
		output += out
	}
	return output
}

// forget removes what the baseline accepts.
func (u user) forget(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, gate.NewBaseline().Write(&b))
	require.NoError(t, os.WriteFile(filepath.Join(u.dir, "splitadd.json"), b.Bytes(), 0o600))
}

// TestCIBaseline runs the commands that begin with a baseline, and reads the example.
func TestCIBaseline(t *testing.T) {
	_, err := gate.ReadBaseline(strings.NewReader(ciBlock(t, "json", "accepted")))
	require.NoError(t, err)
	u := newUser(t)
	u.forget(t)
	commands := strings.Split(strings.TrimSpace(ciBlock(t, "sh", "-write-baseline")), "\n")
	status, _ := u.sh(t, commands[2])
	assert.Equal(t, exitAffected, status, "before it is written")
	out := u.all(t, commands...)
	assert.Contains(t, out, ": 0 windows; 2 accepted\n")
}

// TestCIGitHub has actionlint check the workflow, and runs its step of the action.
func TestCIGitHub(t *testing.T) {
	text := ciBlock(t, "yaml", "jobs:")
	lint := exec.Command("go", "tool", "actionlint", "-")
	lint.Dir, lint.Stdin = "../../tools", strings.NewReader(text)
	out, err := lint.CombinedOutput()
	require.NoError(t, err, "%s", out)
	var w struct{ Jobs map[string]job }
	require.NoError(t, yaml.Unmarshal([]byte(text), &w))
	steps := w.Jobs["scan"].Steps
	last := steps[len(steps)-1]
	require.Equal(t, "OWNER/splitadd@v1", last.Uses)
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	u := newUser(t)
	ran := runAction(t, root, u.dir, last.With)
	require.NoError(t, ran.err, "%s", ran.output)
	assert.Equal(t, []string{"splitadd.sarif"}, ran.uploads)
	u.forget(t)
	require.ErrorContains(t, runAction(t, root, u.dir, last.With).err, "exit status 3")

	page, err := os.ReadFile("../../docs/ci.md")
	require.NoError(t, err)
	for name, input := range readAction(t).Inputs {
		shown := ""
		if input.Default != "" {
			shown = "`" + input.Default + "` "
		}
		assert.Contains(t, string(page), fmt.Sprintf("\n| `%s` | %s| ", name, shown))
	}
}

// TestCIGitLab runs the script of the job. It fails without the baseline.
func TestCIGitLab(t *testing.T) {
	var jobs map[string]struct {
		Script    []string
		Artifacts struct{ Paths []string }
	}
	require.NoError(t, yaml.Unmarshal([]byte(ciBlock(t, "yaml", "script:")), &jobs))
	j := jobs["splitadd"]
	u := newUser(t)
	u.all(t, j.Script...)
	for _, path := range j.Artifacts.Paths {
		assert.FileExists(t, filepath.Join(u.dir, path))
	}
	u.forget(t)
	status, out := u.sh(t, j.Script[len(j.Script)-1])
	assert.Equal(t, exitAffected, status, "%s", out)
}

// TestCIMakefile makes the targets.
func TestCIMakefile(t *testing.T) {
	u := newUser(t)
	require.NoError(t, os.WriteFile(filepath.Join(u.dir, "Makefile"), []byte(ciBlock(t, "make", "scan:")), 0o600))
	u.all(t, "make scan")
	u.forget(t)
	status, out := u.sh(t, "make scan")
	assert.Equal(t, 2, status, "%s", out)
	u.all(t, "make accept", "make scan")
}

// TestCIDockerfile runs the commands of the stages in their order. The folders /src and
// /out are in the user's. The last stage must need the one that scans.
func TestCIDockerfile(t *testing.T) {
	u := newUser(t)
	text := ciBlock(t, "dockerfile", "FROM")
	out := filepath.Join(filepath.Dir(u.dir), "out")
	ran := 0
	for _, line := range strings.Split(text, "\n") {
		if command, ok := strings.CutPrefix(line, "RUN "); ok {
			u.all(t, strings.ReplaceAll(command, "/out", out))
			ran++
		}
	}
	assert.Equal(t, strings.Count(text, "RUN"), ran)
	_, last, _ := strings.Cut(text, "FROM scratch\n")
	assert.True(t, strings.HasPrefix(last, "COPY --from=scan /out/app "), "%s", last)
	u.forget(t)
	_, scan, _ := strings.Cut(text, "RUN splitadd ")
	scan, _, _ = strings.Cut(scan, "\n")
	status, _ := u.sh(t, "splitadd "+strings.ReplaceAll(scan, "/out", out))
	assert.Equal(t, exitAffected, status)
}

// TestCIKubernetes runs the commands with a stand-in for kubectl, which does the pods' work
// one after the other: two shards of few runs.
func TestCIKubernetes(t *testing.T) {
	labtest.Long(t, "two shards")
	text, err := os.ReadFile("../../docs/kubernetes.yaml")
	require.NoError(t, err)
	var manifest struct {
		Spec struct {
			Template struct {
				Spec struct {
					Containers []struct{ Command, Args []string }
				}
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &manifest))
	pod := manifest.Spec.Template.Spec.Containers[0]
	require.Equal(t, []string{"sh", "-c"}, pod.Command)
	script := strings.NewReplacer("-runs 80", "-runs 2", "/8 go1.23.4 go1.24.6 go1.27.4", "/2 go1.27.4").Replace(pod.Args[0])
	require.Contains(t, script, "-runs 2 -shard $((JOB_COMPLETION_INDEX + 1))/2 go1.27.4 ")
	u := newUser(t)
	stand := fmt.Sprintf("#!/bin/sh\ncase $1 in\napply) test -f \"$3\" ;;\nwait) ;;\nlogs) for JOB_COMPLETION_INDEX in 0 1; do\n%s\ndone ;;\n*) exit 1 ;;\nesac\n", script)
	bin := filepath.Join(filepath.Dir(u.dir), "bin")
	require.NoError(t, os.MkdirAll(bin, 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(bin, "kubectl"), []byte(stand), 0o700))
	require.NoError(t, os.CopyFS(filepath.Join(u.dir, "docs"), os.DirFS("../../docs")))
	u.all(t, strings.Split(strings.TrimSpace(ciBlock(t, "sh", "kubectl")), "\n")...)
	page, err := os.ReadFile(filepath.Join(u.dir, "report.html"))
	require.NoError(t, err)
	assert.Contains(t, string(page), "go1.27.4")
}

// TestCIBlocks shows that a test above runs each block of the page.
func TestCIBlocks(t *testing.T) {
	page, err := os.ReadFile("../../docs/ci.md")
	require.NoError(t, err)
	languages := map[string]int{}
	for _, m := range fence.FindAllStringSubmatch(string(page), -1) {
		languages[m[1]]++
	}
	assert.Equal(t, map[string]int{"console": 1, "dockerfile": 1, "json": 1, "make": 1, "sh": 2, "yaml": 2}, languages)
	assert.Equal(t, 2*8, strings.Count(string(page), "```"), "a block without a language")
}
