package report

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/budget"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/survey"
)

// valid validates SARIF against the published schema.
func valid(t *testing.T, sarif []byte) error {
	cmd := exec.Command("go", "run", "./sarifvalid")
	cmd.Dir = "../../tools"
	cmd.Stdin = bytes.NewReader(sarif)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Logf("%s", out)
	}
	return err
}

func TestSARIF(t *testing.T) {
	b, err := survey.File(context.Background(), labtest.Guest(t, "go1.23.4"), true, budget.Default)
	require.NoError(t, err)
	b.Path = "a folder/guest\x1b[31m"
	var out bytes.Buffer
	require.NoError(t, SARIF(&out, []*survey.Binary{b}))
	require.NoError(t, valid(t, out.Bytes()))
	assert.Equal(t, b.Preemptible(), strings.Count(out.String(), `"ruleIndex"`))
	assert.Contains(t, out.String(), `"uri": "a%20folder/guest?[31m"`)
	assert.Contains(t, out.String(), `"ruleId": "split-non-leaf-sp"`)

	out.Reset()
	require.NoError(t, SARIF(&out, nil))
	require.NoError(t, valid(t, out.Bytes()))

	broken := strings.Replace(out.String(), `"results"`, `"result"`, 1)
	require.Error(t, valid(t, []byte(broken)))
}

// TestStale counts functions whose only windows are stale frame pointers: a binary
// of go1.21.0 to go1.21.6 has many.
func TestStale(t *testing.T) {
	b, err := survey.File(context.Background(), labtest.Guest(t, "go1.21.3"), false, budget.Default)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, Binary(&out, b))
	assert.Contains(t, out.String(), ": 11 windows in 11 functions: leaf SP, non-leaf SP, stale FP\n")
	assert.NotContains(t, out.String(), "victim.leaf496\n")
	assert.Contains(t, out.String(), "\n  and 1 function in which, at a return, the frame pointer points into the frame just popped")
	assert.Contains(t, out.String(), "go1.21.7 and later restore the frame pointer before they pop the frame")
}

// TestBinary prints names that a hostile binary may have.
func TestBinary(t *testing.T) {
	b, err := survey.File(context.Background(), labtest.Guest(t, "go1.27.4"), false, budget.Default)
	require.NoError(t, err)
	b.Path, b.Main, b.Go = "guest", "example.com/app", ""
	b.Functions = b.Functions[:1]
	b.Functions[0].Name = "main.\x1b[2J\u202e" + strings.Repeat("x", 1000)
	var out bytes.Buffer
	require.NoError(t, Binary(&out, b))
	for _, line := range strings.Split(out.String(), "\n") {
		assert.Less(t, len(line), 400)
		assert.NotContains(t, line, "\x1b")
		assert.NotContains(t, line, "\u202e")
	}
	assert.Contains(t, out.String(), "guest: ELF, built by an unknown Go, example.com/app: 2 windows in 1 function: leaf FP, leaf SP\n")
	assert.Contains(t, out.String(), "main.?[2J?xxx")

	out.Reset()
	require.NoError(t, Binary(&out, &survey.Binary{Path: "p", Format: "PE", Go: "go1.27.4"}))
	assert.Equal(t, "p: PE, go1.27.4: 0 windows\n", out.String())
}
