package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

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
	cmd := exec.Command("git", "bisect", "run", path, "bisect", "-goroot", ".", "-kind", "non-leaf SP")
	cmd.Dir = root
	text, err := cmd.CombinedOutput()
	t.Logf("%s", text)
	// Git may try the commit that does not build, and skips it. Then git cannot
	// distinguish it from the one after it, which is the culprit.
	_, end, _ := strings.Cut(string(text), "There are only 'skip'ped commits left to test.")
	if err == nil {
		assert.Contains(t, string(text), culprit+" is the first bad commit")
	} else {
		assert.Contains(t, end, broken+"\n"+culprit+"\nWe cannot bisect more!")
	}
}

// runIn returns a function that runs a command in a folder and returns its output.
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

// TestBisectAnswers shows that git sees only 0, 1, 125 and 128, and never 1, "bad",
// if splitadd itself has failed.
func TestBisectAnswers(t *testing.T) {
	dir := t.TempDir()
	dies := filepath.Join(dir, "dies")
	require.NoError(t, os.WriteFile(dies, []byte("#!/bin/sh\n[ \"$1\" = -version ] && echo qemu-aarch64 version 7.2.0 && exit\nkill -9 $$\n"), 0o700))
	go1274 := labtest.GOROOT(t, "go1.27.4")
	built := unmade(t, go1274)
	type answer struct {
		args   []string
		status int
		says   string
	}
	answers := []answer{
		{[]string{"bisect", "-goroot", dir}, bisectSkip, "does not build: not a Go source tree: no src/make.bash in it"},
		{[]string{"bisect", "-goroot", unmade(t, "")}, bisectSkip, "does not build: "},
		{[]string{"bisect", "-goroot", built, "-emulator", dies}, bisectSkip, "harness failure: "},
		{[]string{"bisect"}, bisectStop, "bisect takes -goroot DIR"},
		{[]string{"bisect", "-goroot", ".", "local"}, bisectStop, "bisect takes -goroot DIR"},
		{[]string{"bisect", "-nonsense"}, bisectStop, "flag provided but not defined"},
		{[]string{"bisect", "-goroot", ".", "-kind", "leaf XP"}, bisectStop, `-kind "leaf XP": want one of leaf SP`},
		{[]string{"bisect", "-goroot", ".", "-engine", "cloud"}, bisectStop, "-engine cloud: want one of"},
		{[]string{"bisect", "-goroot", ".", "-emulator", "/nonexistent"}, bisectStop, "emulator /nonexistent"},
		{[]string{"bisect", "-goroot", ".", "-engine", "vm", "-kernel", dir}, bisectStop, "0 files boot/vmlinuz-*"},
		{[]string{"bisect", "-goroot", ".", "-engine", "vm", "-emulator", dies}, bisectStop, "virtual machine: no answer"},
		{[]string{"check", "-bisect", "-goroot", "."}, bisectStop, "hint: that is a verb now: splitadd bisect -goroot DIR"},
		{[]string{"check", "-kind", "x", "--bisect=true"}, bisectStop, "check has no -bisect"},
	}
	if testing.Short() {
		t.Log("long: three bisections with a verdict: make test-all")
	} else {
		answers = append(answers, []answer{
			{[]string{"bisect", "-goroot", built, "-kind", "leaf SP"}, bisectBad, ""},
			{[]string{"bisect", "-goroot", built, "-kind", "stale FP"}, bisectGood, ""},
			{[]string{"bisect", "-goroot", built}, bisectBad, ""},
		}...)
	}
	for _, c := range answers {
		cmd, _, stderr := splitadd(t, c.args...)
		_ = cmd.Run()
		assert.Equal(t, c.status, cmd.ProcessState.ExitCode(), "%v: %s", c.args, stderr)
		assert.Contains(t, stderr.String(), c.says)
		assert.Equal(t, c.says == "", stderr.Len() == 0, "%v: %s", c.args, stderr)
	}
}

// unmade returns a tree for BuildTree, with the tools of a release's GOROOT, which are
// up to date, or with tools that do not work.
func unmade(t *testing.T, goroot string) string {
	root := t.TempDir()
	command := "exit 1"
	if goroot != "" {
		command = fmt.Sprintf("[ \"$1\" = install ] && exit\nGOROOT=%s exec %s/bin/go \"$@\"", goroot, goroot)
	}
	for name, text := range map[string]string{"src/make.bash": "exit 1\n", "bin/go": "#!/bin/sh\n" + command + "\n"} {
		name = filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o700))
	}
	return root
}

// TestBisectStopped sends signals to a bisection. It also makes it crash: by a panic
// in the verb's goroutine, by one in another goroutine, and by a fatal error.
func TestBisectStopped(t *testing.T) {
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		for _, after := range []time.Duration{20 * time.Millisecond, time.Second} {
			dir := t.TempDir()
			cmd, _, stderr := splitadd(t, "bisect", "-engine", "vm", "-goroot", dir)
			cmd.Env = append(os.Environ(), "TMPDIR="+dir)
			require.NoError(t, cmd.Start())
			time.Sleep(after)
			require.NoError(t, cmd.Process.Signal(s))
			_ = cmd.Wait()
			if after < time.Second && cmd.ProcessState.ExitCode() < 0 {
				continue // before splitadd ran: git stops for a signal
			}
			assert.Equal(t, bisectStop, cmd.ProcessState.ExitCode(), "%v after %v: %s", s, after, stderr)
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			assert.Empty(t, left)
		}
	}
	for _, how := range []string{"panic", "goroutine", "fatal", "kill"} {
		cmd, _, stderr := splitadd(t, "bisect", how)
		cmd.Path, cmd.Args[0] = strings.Replace(cmd.Path, "splitadd", "panicking", 1), "panicking"
		_ = cmd.Run()
		assert.Equal(t, bisectStop, cmd.ProcessState.ExitCode(), "%s: %s", how, stderr)
	}
}

// panicking is the command with a verb that goes wrong.
func panicking() {
	findVerb("bisect").run = func(_ context.Context, args []string, _, _ io.Writer) error {
		switch args[0] {
		case "panic":
			panic(args[0])
		case "goroutine":
			go panic(args[0])
		case "fatal":
			go func() { new(sync.Mutex).Unlock() }()
		case "kill":
			self, _ := os.FindProcess(os.Getpid())
			_ = self.Kill()
		}
		time.Sleep(time.Minute)
		return nil
	}
	main()
}

// TestBisectStatus states every answer.
func TestBisectStatus(t *testing.T) {
	told := map[int]bool{}
	for status := -1; status < 256; status++ {
		told[bisectStatus(status)] = true
	}
	assert.Equal(t, map[int]bool{0: true, 1: true, 125: true, 128: true}, told)
	for status, want := range map[int]int{0: 0, exitAffected: 1, exitUntestable: 125, exitFailed: 128, exitUsage: 128, -1: 128} {
		assert.Equal(t, want, bisectStatus(status))
	}
}
