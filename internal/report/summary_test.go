package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/record"
	"splitadd/internal/survey"
	"splitadd/internal/window"
)

// withWindow returns a binary with a function that has a leaf SP window.
func withWindow(path, function, owner string) *survey.Binary {
	w := window.Window{Func: function, Class: window.SP, Leaf: true, Entry: 0x1000, PC: 0x1010, Known: true, Actual: 16, Claimed: 65552, Pair: true, Preemptible: true}
	return &survey.Binary{Path: path, Format: "ELF", Go: "go1.27.4", Functions: []survey.Function{{
		Name: function, Leaf: true, Frame: 65552, Owner: owner,
		Windows: []survey.Window{{Window: w, Disassembly: "ADD\nADD   <- leaf SP window\n"}},
	}}}
}

// TestBinaries writes binaries that share a function of a library: it is named once, and
// its windows are shown once.
func TestBinaries(t *testing.T) {
	const library = "example.com/lib.(*T).read"
	found := []*survey.Binary{{Path: "clean", Format: "ELF", Go: "go1.27.4"}}
	for i := range 5 {
		found = append(found, withWindow(fmt.Sprintf("bin/%d", i), library, fmt.Sprintf("dependency example.com/lib@v1.%d", i/4)))
	}
	found = append(found, withWindow("bin/own", "main.leaf", "main module"))
	sum := record.Scan{Binaries: 7, Affected: 6}
	var out bytes.Buffer
	require.NoError(t, Binaries(&out, found, sum, Style{}))
	text := out.String()
	assert.True(t, strings.HasPrefix(text, `7 Go binaries for arm64, 6 with windows; 0 other files; 0 errors

  kind      binaries   functions   windows
  leaf SP   6          6           6

In several binaries
  example.com/lib.(*T).read: leaf SP: in 5 binaries (dependency example.com/lib@v1.0, dependency example.com/lib@v1.1)
    bin/0, bin/1, bin/2 and 2 more

clean: ELF, go1.27.4: 0 windows

bin/0: ELF, go1.27.4: 1 window in 1 function: leaf SP
`), "%s", text)
	assert.Equal(t, 2, strings.Count(text, "<- leaf SP window"), "%s", text)
	assert.Equal(t, 4, strings.Count(text, "\n  "+library+"\n  leaf SP, as in bin/0\n"), "%s", text)
	assert.Equal(t, 1, strings.Count(text, "\nWhat to do\n- leaf SP: "), "%s", text)
	assert.NotContains(t, text, "\x1b")

	out.Reset()
	require.NoError(t, Binaries(&out, found, sum, Style{Color: true}))
	assert.Contains(t, out.String(), "\n    \x1b[31mADD   <- leaf SP window\x1b[0m\n")
	plain := strings.NewReplacer("\x1b[31m", "", "\x1b[1m", "", "\x1b[0m", "").Replace(out.String())
	assert.Equal(t, text, plain)
}

// TestSharedBound writes more shared functions than are listed.
func TestSharedBound(t *testing.T) {
	var found []*survey.Binary
	for i := range 2 * (maxShared + 3) {
		found = append(found, withWindow(fmt.Sprint("bin/", i), fmt.Sprint("example.com/lib.f", i/2), "package example.com/lib"))
	}
	var out bytes.Buffer
	require.NoError(t, Binaries(&out, found, record.Scan{}, Style{}))
	assert.Equal(t, maxShared, strings.Count(out.String(), ": in 2 binaries (package example.com/lib)\n"))
	assert.Contains(t, out.String(), "  and 3 more functions: listed by -json\n")
}
