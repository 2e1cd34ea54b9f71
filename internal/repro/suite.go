package repro

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"splitadd"
	"splitadd/internal/hint"
	"splitadd/internal/output"
)

// suiteRequires are the only modules that the suite's own module requires.
var suiteRequires = []string{"github.com/stretchr/testify", "golang.org/x/sync", "go.yaml.in/yaml/v3"}

// standIns are the packages of this module that the suite has in the place of packages of
// other modules.
var standIns = []string{
	"github.com/cavaliergopher/cpio", "github.com/dustin/go-humanize/english", "github.com/edsrzf/mmap-go",
	"github.com/rogpeppe/go-internal/lockedfile", "github.com/rogpeppe/go-internal/robustio", "golang.org/x/arch/arm64/arm64asm",
}

// statistics are files that the suite does not need. They import gonum.
var statistics = []string{"internal/trial/sample.go", "internal/trial/series.go", "internal/trial/survival.go"}

// readme is the README of the suite's module.
const readme = `# The SplitADD suite

    go test ./... -run SplitADD

decides whether the Go that runs it compiles arm64 code that async preemption breaks, and
proves it by crashes. It needs Go 1.23 or later and, on a machine that is not arm64,
QEMU's user-mode emulator. "-v" prints the table of victims. "-args -strict" fails if any
kind of window is found. race/doc.go says what PASS means. The suite is a part of splitadd,
written by "splitadd repro -suite".
`

// WriteSuite writes package race, and what it needs, as a module of its own into a folder,
// which must be empty or not exist. It returns the number of files. The module requires
// only testify and errgroup, and what testify requires.
func WriteSuite(folder string) (files int, err error) {
	if there, err := os.ReadDir(folder); err == nil && len(there) > 0 {
		return 0, &hint.Error{Err: fmt.Errorf("%s: not empty", folder), Hint: "name a folder that is empty or does not exist"}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	write := func(name, text string) error {
		name = filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		files++
		return output.Write(name, []byte(text))
	}
	err = fs.WalkDir(splitadd.Source, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || slices.Contains(statistics, name) || strings.HasSuffix(name, "_test.go") && path.Dir(name) != "race" {
			return err
		}
		text, err := splitadd.Source.ReadFile(name)
		if err != nil {
			return err
		}
		return write(strings.Replace(name, "/repro/standin/", "/standin/", 1), suiteText(name, string(text)))
	})
	if err != nil {
		return files, err
	}
	return files, write("README.md", readme)
}

// suiteText returns what the suite has as the text of a file.
func suiteText(name, text string) string {
	switch path.Ext(name) {
	case ".mod":
		text = strings.TrimSpace(keepLines(text, func(line string) bool { return !strings.HasPrefix(line, "\t") && !strings.ContainsAny(line, "()") })) + "\n"
		for _, m := range suiteModules() {
			if strings.HasPrefix(m, "go.yaml.in") {
				m += " // indirect"
			}
			text += "\nrequire " + m + "\n"
		}
	case ".sum":
		return keepLines(text, func(line string) bool {
			return slices.ContainsFunc(suiteModules(), func(m string) bool { return strings.HasPrefix(line, m) })
		})
	case ".go":
		for _, p := range standIns {
			text = strings.ReplaceAll(text, `"`+p+`"`, `"splitadd/internal/standin/`+strings.TrimSuffix(path.Base(p), "-go")+`"`)
		}
	}
	return text
}

// suiteModules returns the module and the version, "golang.org/x/sync v0.16.0", of each
// module that the suite needs.
func suiteModules() (all []string) {
	text, _ := splitadd.Source.ReadFile("go.mod") // it is embedded
	for _, line := range strings.Split(string(text), "\n") {
		module, version, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(line), " // indirect"), " ")
		if slices.Contains(suiteRequires, module) {
			all = append(all, module+" "+version)
		}
	}
	return all
}

// keepLines returns the lines of a text that are to be kept.
func keepLines(text string, keep func(line string) bool) string {
	var kept strings.Builder
	for _, line := range strings.SplitAfter(text, "\n") {
		if keep(strings.TrimSuffix(line, "\n")) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
