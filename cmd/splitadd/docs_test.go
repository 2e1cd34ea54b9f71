package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/labtest"
)

// session matches a block of commands and what they print.
var session = regexp.MustCompile("(?s)```console\n(.*?)```")

// measured matches what differs from run to run and from machine to machine.
var measured = regexp.MustCompile(`; (?:native|emulated): .*|; native .*|; Linux .*|[0-9]+\.[0-9]+ s|[0-9]+ observations| {2,}`)

// TestDocs runs every command that the README and the documents show, and
// compares what it prints with what is shown, except for measured values.
func TestDocs(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	commands := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, block := range session.FindAllStringSubmatch(string(text), -1) {
			for _, part := range strings.Split("\n"+block[1], "\n$ ")[1:] {
				command, shown, _ := strings.Cut(part, "\n")
				commands++
				t.Run(command, func(t *testing.T) { shows(t, strings.Fields(command), strings.TrimSpace(shown)) })
			}
		}
	}
	require.GreaterOrEqual(t, commands, 6)
}

// longCommands begin the commands that run for long.
var longCommands = regexp.MustCompile(`^splitadd (?:sweep|check -engine|check -json|check go1\.23\.4) `)

func shows(t *testing.T, command []string, shown string) {
	if longCommands.MatchString(strings.Join(command, " ") + " ") {
		labtest.Long(t, "it runs victims of a release that another test runs as well")
	}
	if command[0] == "go" { // the suite takes long, and other tests run it: only check that it exists
		require.Equal(t, []string{"go", "test", "./race", "-run", "SplitADD"}, command)
		command = []string{"go", "test", "./race", "-list", "SplitADD"}
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = "../.."
	out, _ := cmd.Output()
	assert.Contains(t, []int{0, exitAffected}, cmd.ProcessState.ExitCode(), "%s", out)
	if command[0] == "go" {
		assert.Contains(t, string(out), "TestSplitADDFrames\n")
	}
	if shown != "" {
		assert.Equal(t, measured.ReplaceAllString(shown, " _"), measured.ReplaceAllString(strings.TrimSpace(string(out)), " _"))
	}
}

// TestMake shows that the two commands of the README are there.
func TestMake(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	for _, target := range []string{"check", "test", "test-vm", "bench", "exhaustive", "sweep"} {
		require.Contains(t, string(text), "make "+target)
		cmd := exec.Command("make", "-n", target)
		cmd.Dir = "../.."
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// TestManifest has kubeconform validate the manifest of the shards, and refuse one
// with a mistake in it.
func TestManifest(t *testing.T) {
	manifest, err := os.ReadFile("../../docs/kubernetes.yaml")
	require.NoError(t, err)
	valid := func(manifest []byte) (string, error) {
		cmd := exec.Command("go", "run", "./manifestvalid")
		cmd.Dir, cmd.Stdin = "../../tools", bytes.NewReader(manifest)
		var out, problems bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &problems
		err := cmd.Run()
		return out.String() + problems.String(), err // and what the go command downloads
	}
	out, err := valid(manifest)
	require.NoError(t, err, "%s", out)
	assert.Contains(t, out, "1 valid\n")
	out, err = valid(bytes.Replace(manifest, []byte("completionMode:"), []byte("completionsMode:"), 1))
	require.Error(t, err)
	assert.Contains(t, out, "'completionsMode' not allowed")
}

// TestDebian runs docs/debian.sh for one package.
func TestDebian(t *testing.T) {
	if release, _ := os.ReadFile("/etc/os-release"); !regexp.MustCompile(`(?m)^ID=debian$`).Match(release) {
		t.Skip("the script takes Debian's packages through apt on Debian")
	}
	path, err := exec.LookPath("splitadd")
	require.NoError(t, err)
	cmd := exec.Command("../../docs/debian.sh", t.TempDir(), "age/trixie")
	cmd.Env = append(os.Environ(), "SPLITADD="+path)
	out, err := cmd.Output()
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^\| age 1\.[^ ]+ \| age \| go1\.[0-9.]+ \| 0 windows \|$`, string(out))
	assert.Regexp(t, `(?m)^2 Go binaries for arm64, 0 with windows; [0-9]+ other files; 0 errors$`, string(out))
	page, err := os.ReadFile("../../docs/debian.md")
	require.NoError(t, err)
	assert.Contains(t, string(page), "docs/debian.sh DIR\n")
}
