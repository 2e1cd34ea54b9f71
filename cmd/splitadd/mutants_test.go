package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/labtest"
	"splitadd/internal/window"
)

var mutants = flag.Bool("mutants", false, "build toolchains with planted defects, and check them")

// mutatedRelease is the release that the patches of docs/mutants are made for, and
// unmutatedKinds are the kinds that it has without them.
const mutatedRelease = "go1.27.4"

var unmutatedKinds = []string{"leaf SP", "leaf FP"}

// A mutant is a patch that plants a defect in a release.
type mutant struct {
	name, path string
	files      []string // that it changes
	finds      string   // the kind of its windows
	flags      []string // that a program is built with to have it; or none
	check      []string // flags of check
}

// patchOf reads docs/mutants/NAME.patch: its changes, and the lines "Finds:", "Built with:"
// and "Judge with:" above them.
func patchOf(t *testing.T, path string) mutant {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	head, _, ok := strings.Cut(string(text), "\n--- ")
	require.True(t, ok, path)
	m := mutant{name: strings.TrimSuffix(filepath.Base(path), ".patch"), path: path}
	for _, found := range regexp.MustCompile(`(?m)^--- a/(\S+)$`).FindAllStringSubmatch(string(text), -1) {
		m.files = append(m.files, found[1])
	}
	for _, line := range strings.Split(head, "\n") {
		if kind, ok := strings.CutPrefix(line, "Finds: "); ok {
			m.finds = kind
		}
		if with, ok := strings.CutPrefix(line, "Built with: "); ok {
			m.flags = strings.Fields(with)
		} else if with, ok := strings.CutPrefix(line, "Judge with: "); ok {
			m.check = strings.Fields(with)
		}
	}
	return m
}

// allMutants returns the mutants of docs/mutants.
func allMutants(t *testing.T) (list []mutant) {
	paths, err := filepath.Glob("../../docs/mutants/*.patch")
	require.NoError(t, err)
	for _, path := range paths {
		path, err := filepath.Abs(path)
		require.NoError(t, err)
		list = append(list, patchOf(t, path))
	}
	require.NotEmpty(t, list)
	return list
}

// TestMutantsApply applies each patch to the release's source. It also shows that
// there is a patch for every clause.
func TestMutantsApply(t *testing.T) {
	from := labtest.GOROOT(t, mutatedRelease)
	clauses := map[int]bool{}
	for _, m := range allMutants(t) {
		kind, ok := window.KindNamed(m.finds)
		require.True(t, ok, "%s: %q", m.name, m.finds)
		assert.True(t, strings.HasPrefix(m.name, string(rune('0'+kind.Clause))+"-"), m.name)
		clauses[kind.Clause] = true
		root := t.TempDir()
		for _, name := range m.files {
			text, err := os.ReadFile(filepath.Join(from, name))
			require.NoError(t, err)
			require.NoError(t, os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(root, name), text, 0o600))
		}
		run := runIn(t, root)
		run("git", "init", "-q")
		run("git", "apply", m.path)
	}
	for _, kind := range window.Kinds {
		assert.True(t, clauses[kind.Clause], "no mutant of clause %d", kind.Clause)
	}
}

// build returns the root of a copy of the release with the defect in it. The cache
// serves all mutants: the release's own tools build their tools.
func (m mutant) build(t *testing.T, cache string) string {
	root := t.TempDir()
	run := runIn(t, root)
	run("cp", "-r", labtest.GOROOT(t, mutatedRelease)+"/.", root)
	run("chmod", "-R", "u+w", root)
	run("git", "init", "-q")
	run("git", "apply", m.path)
	if slices.ContainsFunc(m.files, func(name string) bool { return strings.HasPrefix(name, "src/cmd/") }) {
		runIn(t, filepath.Join(root, "src"))("env", "GOTOOLCHAIN=local", "GOROOT="+root, "GOFLAGS=", "GOCACHE="+cache,
			filepath.Join(root, "bin", "go"), "install", "cmd/compile", "cmd/asm", "cmd/link")
	}
	return root
}

// records runs a command that prints records, and returns those of a kind.
func records(t *testing.T, kind string, args ...string) (found []map[string]any) {
	cmd, stdout, stderr := splitadd(t, args...)
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 3 {
		require.NoError(t, err, "%s", stderr)
	}
	for _, line := range bytes.Split(bytes.TrimSpace(stdout.Bytes()), []byte("\n")) {
		var r map[string]any
		require.NoError(t, json.Unmarshal(line, &r), "%s", line)
		if r["kind"] == kind {
			found = append(found, r)
		}
	}
	return found
}

// kindsIn returns the kinds of the windows of a binary, each once.
func kindsIn(t *testing.T, path string) []string {
	kinds := map[string]bool{}
	for _, r := range records(t, "window", "scan", "-json", path) {
		leaf, _ := r["leaf"].(bool)
		kind := window.KindName(window.Class(r["class"].(string)), leaf)
		if stale, _ := r["stale"].(bool); stale {
			kind = window.StaleFP
		}
		kinds[kind] = true
	}
	return slices.Sorted(maps.Keys(kinds))
}

// TestMutants builds each mutant and judges it: the verdict names the planted kind
// and the release's own, with a victim that was harmed for each, and so do all the windows
// of a whole program.
func TestMutants(t *testing.T) {
	if !*mutants {
		t.Skip("builds toolchains: make mutants")
	}
	cache := t.TempDir()
	for _, m := range allMutants(t) {
		t.Run(m.name, func(t *testing.T) {
			root := m.build(t, cache)
			if m.flags != nil {
				assert.Equal(t, []string{m.finds}, kindsIn(t, m.program(t, root)))
				return
			}
			verdicts := records(t, "verdict", append(append([]string{"check", "-json"}, m.check...), root)...)
			require.Len(t, verdicts, 1)
			assert.Equal(t, m.check == nil, verdicts[0]["proved"], "%v", verdicts[0]["doubts"])
			want := append([]string{m.finds}, unmutatedKinds...)
			assert.ElementsMatch(t, want, verdicts[0]["affected"])
			assert.ElementsMatch(t, want, kindsIn(t, labtest.Guest(t, root)))
		})
	}
}

// program builds a small program with the mutant's flags, in a build cache of its own.
// The go command would otherwise reuse what the unmodified tools of the same release
// have built (toolID in cmd/go/internal/work/buildid.go).
func (m mutant) program(t *testing.T, root string) string {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module m\n\ngo 1.18\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nvar g *int\n\nfunc main() {\n\tg = nil\n\tprintln(g == nil)\n}\n"), 0o644))
	out := filepath.Join(dir, "program")
	args := []string{"GOTOOLCHAIN=local", "GOROOT=" + root, "GOFLAGS=", "GOWORK=off", "GOCACHE=" + t.TempDir(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0",
		filepath.Join(root, "bin", "go"), "build", "-trimpath", "-o", out}
	runIn(t, dir)("env", append(args, append(m.flags, ".")...)...)
	return out
}
