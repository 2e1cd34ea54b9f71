package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "draw the picture of the packages in docs/design.md again")

// The marks between which docs/design.md has the picture of the packages.
const (
	pictureBegin = "<!-- Drawn by go test ./cmd/splitadd -run Packages -args -update -->\n"
	pictureEnd   = "<!-- The end of what is drawn. -->\n"
)

// imports are the packages of this module that each of its packages imports.
type imports map[string][]string

// listImports asks the go command, for Linux on arm64. It leaves out packages that are
// in no command: those are for tests.
func listImports(t *testing.T) imports {
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Imports", "./...")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS=")
	out, err := cmd.Output()
	require.NoError(t, err)
	const module = "splitadd/"
	all, built := imports{}, imports{}
	var commands []string
	for list := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath, Name string
			Imports          []string
		}
		err := list.Decode(&p)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		all[p.ImportPath] = slices.DeleteFunc(p.Imports, func(i string) bool { return !strings.HasPrefix(i, module) })
		if p.Name == "main" {
			commands = append(commands, p.ImportPath)
		}
	}
	var visit func(p string)
	visit = func(p string) {
		if _, seen := built[p]; !seen {
			built[p] = all[p]
			for _, to := range all[p] {
				visit(to)
			}
		}
	}
	for _, c := range commands {
		visit(c)
	}
	return built
}

// reaches reports whether a package imports another one, directly or through others.
func (i imports) reaches(from, to string) bool {
	return slices.ContainsFunc(i[from], func(p string) bool { return p == to || i.reaches(p, to) })
}

// picture draws the imports in Mermaid's language, without those that others imply.
func (i imports) picture() string {
	name := func(p string) string {
		return strings.TrimPrefix(strings.TrimPrefix(p, "splitadd/"), "internal/")
	}
	node := func(p string) string {
		if name := name(p); strings.Contains(name, "/") {
			return fmt.Sprintf("%s[%q]", strings.ReplaceAll(name, "/", "_"), name)
		}
		return name(p)
	}
	var b strings.Builder
	b.WriteString("```mermaid\ngraph TD\n")
	for _, from := range slices.Sorted(maps.Keys(i)) {
		var direct []string
		for _, to := range i[from] {
			implied := slices.ContainsFunc(i[from], func(p string) bool { return i.reaches(p, to) })
			if !implied {
				direct = append(direct, node(to))
			}
		}
		if len(direct) > 0 {
			fmt.Fprintf(&b, "    %s --> %s\n", node(from), strings.Join(direct, " & "))
		}
	}
	b.WriteString("```\n")
	return b.String()
}

// TestPackages compares the picture in docs/design.md with the imports, and its table
// with the packages.
func TestPackages(t *testing.T) {
	const page = "../../docs/design.md"
	data, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, begins := strings.Cut(string(data), pictureBegin)
	drawn, after, ends := strings.Cut(rest, pictureEnd)
	require.True(t, begins && ends, "the marks of the picture")
	all := listImports(t)
	want := all.picture()
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(before+pictureBegin+want+pictureEnd+after), 0o666))
		return
	}
	assert.Equal(t, want, drawn, "%s", pictureBegin)
	for p := range all {
		p = strings.TrimPrefix(p, "splitadd/")
		if p == "internal/victim/guest" || strings.HasSuffix(p, "/init") { // described in their packages' rows
			continue
		}
		assert.Contains(t, string(data), "| `"+p+"` | ", "the table of packages")
	}
	for _, row := range strings.Split(string(data), "\n| `")[1:] {
		name, _, _ := strings.Cut(row, "`")
		assert.DirExists(t, "../../"+name, "the table of packages")
	}
}

// TestNoNetwork shows that the command cannot talk to a network by itself, and that no
// library brings in a package for that. They would also cost each start a millisecond.
func TestNoNetwork(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	deps := strings.Fields(string(out))
	assert.Contains(t, deps, "splitadd/internal/report")
	for _, p := range []string{"net", "net/http", "google.golang.org/protobuf/proto"} {
		assert.NotContains(t, deps, p)
	}
}

// TestPicture draws imports. One is implied by another, and one by a path of two.
func TestPicture(t *testing.T) {
	i := imports{
		"splitadd/cmd/a":        {"splitadd/internal/b", "splitadd/internal/b/c", "splitadd/internal/d"},
		"splitadd/internal/b":   {"splitadd/internal/b/c"},
		"splitadd/internal/b/c": {"splitadd/internal/d"},
		"splitadd/internal/d":   nil,
	}
	assert.Equal(t, "```mermaid\ngraph TD\n    cmd_a[\"cmd/a\"] --> b\n    b --> b_c[\"b/c\"]\n    b_c[\"b/c\"] --> d\n```\n", i.picture())
}
