package main

import (
	"bytes"
	"go/version"
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

// TestMake shows that the make targets that README and docs/suite.md name are there.
func TestMake(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	suite, err := os.ReadFile("../../docs/suite.md")
	require.NoError(t, err)
	text := string(readme) + string(suite)
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`\bmake ([a-z0-9-]+)`).FindAllStringSubmatch(text, -1) {
		targets[m[1]] = true
	}
	for _, target := range []string{"check", "test", "test-all", "bench", "exhaustive"} {
		require.True(t, targets[target], target)
	}
	for target := range targets {
		cmd := exec.Command("make", "-n", target)
		cmd.Dir = "../.."
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// TestReadme holds the README to its length, and its table to the measured verdicts: each
// measured release is in one row, which has its kinds.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	assert.LessOrEqual(t, bytes.Count(readme, []byte("\n")), 150)
	var kinds []string
	rows := map[string][]string{} // by releases
	for _, line := range strings.Split(string(readme), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case cells[0] == "releases":
			kinds = cells[1:]
		case strings.HasPrefix(cells[0], "go1."):
			row := []string{}
			for i, cell := range cells[1:] {
				if cell == "yes" {
					row = append(row, kinds[i])
				}
			}
			rows[cells[0]] = row
		}
	}
	require.Len(t, rows, 5)
	verdicts, err := os.ReadFile("../../race/testdata/verdicts.txt")
	require.NoError(t, err)
	for _, line := range strings.Split(strings.TrimSpace(string(verdicts)), "\n") {
		release, affected, ok := strings.Cut(line, ": ")
		require.True(t, ok, line)
		in := 0
		for releases, row := range rows {
			if !within(release, releases) {
				continue
			}
			in++
			assert.ElementsMatch(t, strings.Split(affected, ", "), row, "%s is in the row %s", release, releases)
		}
		assert.Equal(t, 1, in, "%s: rows of the table", release)
	}
}

// within reports whether a release is in a list of releases and ranges, such as "go1.23.12,
// go1.24.6 to go1.25.12".
func within(release, list string) bool {
	for _, part := range strings.Split(list, ", ") {
		first, last, ok := strings.Cut(part, " to ")
		if !ok {
			last = first
		}
		if version.Compare(first, release) <= 0 && version.Compare(release, last) <= 0 {
			return true
		}
	}
	return false
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestLinks shows that the files exist that README and the documents link to.
func TestLinks(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	links := 0
	for _, page := range append(pages, "../../README.md", "../../CONTRIBUTING.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)[)#]`).FindAllStringSubmatch(string(text), -1) {
			links++
			assert.True(t, exists(filepath.Join(filepath.Dir(page), m[1])), "%s: %s", page, m[1])
		}
	}
	require.Greater(t, links, 30)
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
	labtest.Long(t, "fetches lists of packages and a package")
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
