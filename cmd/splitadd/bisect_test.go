package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/labtest"
)

var bisected = flag.Bool("bisect", false, "bisect a history of Go's own source")

// TestBisect bisects a history made of go1.24.6: a commit that breaks the build,
// and one that brings the window of non-leaf functions back, among others.
func TestBisect(t *testing.T) {
	if !*bisected {
		t.Skip("builds a toolchain some five times: make bisect")
	}
	root := t.TempDir()
	run := runIn(t, root)
	run("cp", "-r", labtest.GOROOT(t, "go1.24.6")+"/.", root)
	run("chmod", "-R", "u+w", root)
	obj7 := filepath.Join(root, "src/cmd/internal/obj/arm64/obj7.go")
	now, err := os.ReadFile(obj7)
	require.NoError(t, err)
	before, err := os.ReadFile(filepath.Join(labtest.GOROOT(t, "go1.24.5"), "src/cmd/internal/obj/arm64/obj7.go"))
	require.NoError(t, err)
	require.NotEqual(t, string(before), string(now))
	commit := func(subject, text string) string {
		require.NoError(t, os.WriteFile(obj7, []byte(text), 0o600))
		run("git", "add", "-f", "src/cmd/internal/obj/arm64/obj7.go")
		run("git", "commit", "-q", "-m", subject)
		return strings.TrimSpace(run("git", "rev-parse", "HEAD"))
	}
	run("git", "init", "-q")
	good := commit("as released", string(now))
	commit("a comment", string(now)+"\n// a comment\n")
	broken := commit("does not build", string(now)+"\nfunc {\n")
	culprit := commit("the epilogue as it was", string(before)+"\n// a comment\n")
	bad := commit("another comment", string(before)+"\n// another\n")

	path, err := exec.LookPath("splitadd")
	require.NoError(t, err)
	run("git", "bisect", "start", bad, good)
	cmd := exec.Command("git", "bisect", "run", path, "check", "-bisect", "-goroot", ".", "-kind", "non-leaf SP")
	cmd.Dir = root
	text, err := cmd.CombinedOutput()
	t.Logf("%s", text)
	// Where git tries the commit that does not build it is skipped, and cannot be
	// told from the one after it, which is the culprit.
	_, end, _ := strings.Cut(string(text), "There are only 'skip'ped commits left to test.")
	if err == nil {
		assert.Contains(t, string(text), culprit+" is the first bad commit")
	} else {
		assert.Contains(t, end, broken+"\n"+culprit+"\nWe cannot bisect more!")
	}
}

// runIn returns what runs a command in a folder, and returns what it prints.
func runIn(t *testing.T, dir string) func(name string, args ...string) string {
	return func(name string, args ...string) string {
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s %v: %s", name, args, out)
		return string(out)
	}
}

// TestBisectAnswers states the answers to what is no checkout, and to mistakes.
func TestBisectAnswers(t *testing.T) {
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"-bisect", "-goroot", t.TempDir()}, bisectSkip, "no Go source tree: no src/make.bash in it"},
		{[]string{"-bisect"}, bisectStop, "-bisect takes -goroot DIR"},
		{[]string{"-bisect", "-goroot", ".", "-kind", "leaf XP"}, bisectStop, `-kind "leaf XP": want one of leaf SP`},
		{[]string{"-kind", "leaf SP"}, exitUsage, "-kind is for -bisect"},
	} {
		cmd, stdout, stderr := splitadd(t, append([]string{"check"}, c.args...)...)
		_ = cmd.Run()
		assert.Equal(t, c.status, cmd.ProcessState.ExitCode(), "%v: %s", c.args, stderr)
		assert.Contains(t, stderr.String(), c.says)
		assert.Empty(t, stdout.String())
	}
}
