package report

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/budget"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/record"
	"splitadd/internal/survey"
	"splitadd/internal/triage"
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
	b, err := survey.ScanFile(context.Background(), labtest.Guest(t, "go1.23.4"), true, budget.Default)
	require.NoError(t, err)
	b.Path = "a folder/guest%#?\x1b[31m\u202e\xff" + strings.Repeat("x", 400)
	var out bytes.Buffer
	failures := []record.Failure{{Path: "bin/cut", Error: "bin/cut: cut\x1boff"}, {Path: "/abs/x y", Error: "none"}}
	require.NoError(t, SARIF(&out, "v1.2.3", []*survey.Binary{b}, failures))
	require.NoError(t, valid(t, out.Bytes()))
	assert.Equal(t, b.Preemptible(), strings.Count(out.String(), `"ruleIndex"`))
	assert.Contains(t, out.String(), `"uri": "a%20folder/guest%25%23%3F%1B%5B31m%E2%80%AE%FF`+strings.Repeat("x", 400)+`"`)
	assert.Contains(t, out.String(), `"ruleId": "split-non-leaf-sp"`)
	var log struct {
		Runs []struct {
			Tool struct {
				Driver struct{ Version string }
			}
			Invocations []struct {
				ExecutionSuccessful        bool
				ToolExecutionNotifications []struct {
					Level     string
					Message   struct{ Text string }
					Locations []struct {
						PhysicalLocation struct{ ArtifactLocation struct{ URI string } }
					}
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &log))
	assert.Equal(t, "v1.2.3", log.Runs[0].Tool.Driver.Version)
	invocation := log.Runs[0].Invocations[0]
	assert.False(t, invocation.ExecutionSuccessful)
	require.Len(t, invocation.ToolExecutionNotifications, 2)
	first, second := invocation.ToolExecutionNotifications[0], invocation.ToolExecutionNotifications[1]
	assert.Equal(t, []string{"error", `bin/cut: cut\x1boff`}, []string{first.Level, first.Message.Text})
	assert.Equal(t, "bin/cut", first.Locations[0].PhysicalLocation.ArtifactLocation.URI)
	if runtime.GOOS != "windows" {
		assert.Equal(t, "file:///abs/x%20y", second.Locations[0].PhysicalLocation.ArtifactLocation.URI)
	}

	out.Reset()
	require.NoError(t, SARIF(&out, "v1.2.3", nil, nil))
	require.NoError(t, valid(t, out.Bytes()))
	assert.Contains(t, out.String(), `"executionSuccessful": true`)

	broken := strings.Replace(out.String(), `"results"`, `"result"`, 1)
	require.Error(t, valid(t, []byte(broken)))
}

// TestStale counts functions whose only windows are stale frame pointers: a binary
// of go1.21.0 to go1.21.6 has many.
func TestStale(t *testing.T) {
	labtest.Long(t, "go1.21.3")
	b, err := survey.ScanFile(context.Background(), labtest.Guest(t, "go1.21.3"), false, budget.Default)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, Binary(&out, b))
	assert.Contains(t, out.String(), " functions: leaf SP, lost pointer, non-leaf SP, stale FP\n")
	assert.NotContains(t, out.String(), "victim.leaf496\n")
	assert.Contains(t, out.String(), "\n  and 9 functions in which, at a return, the frame pointer points into the frame just popped")
	assert.Contains(t, out.String(), "go1.21.7 and later restore the frame pointer before they pop the frame")
}

// TestBinary prints names that a hostile binary may have.
func TestBinary(t *testing.T) {
	b, err := survey.ScanFile(context.Background(), labtest.Guest(t, "go1.27.4"), false, budget.Default)
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
	assert.Contains(t, out.String(), `main.\x1b[2J\u202exxx`)

	out.Reset()
	require.NoError(t, Binary(&out, &survey.Binary{Path: "p", Format: "PE", Go: "go1.27.4"}))
	assert.Equal(t, "p: PE, go1.27.4: 0 windows\n", out.String())
}

// TestHostile writes the names and texts of hostile logs and binaries in every form for
// people.
func TestHostile(t *testing.T) {
	const bad = "\x1b[2J\x00\x7f\u0085\u202e\u2066\xff\u2028end"
	v := triage.Verdict{
		Answer: triage.Undecided, Reason: bad, Input: "in\n" + bad, Line: 1, Go: bad, Arch: bad, Evidence: []string{bad}, Settle: bad, Do: []string{bad},
		Text: "goroutine 1\n\tmain.go " + bad, Code: bad,
	}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"text":     func(b *bytes.Buffer) error { return Triage(b, v) },
		"Markdown": func(b *bytes.Buffer) error { return TriageMarkdown(b, v) },
		"scan":     func(b *bytes.Buffer) error { return Binary(b, &survey.Binary{Path: bad, Go: bad, Main: bad}) },
		"sum":      func(b *bytes.Buffer) error { return Scan(b, record.Scan{Foreign: map[string]int{bad: 1}}) },
	} {
		var out bytes.Buffer
		require.NoError(t, write(&out), name)
		assert.NotContains(t, out.String(), "in\n", name)
		assert.Contains(t, out.String(), "end", name)
		assert.True(t, utf8.Valid(out.Bytes()), name)
		assert.Equal(t, -1, strings.IndexFunc(out.String(), func(r rune) bool {
			return r != '\n' && r != '\t' && !unicode.IsPrint(r)
		}), "%s: %q", name, out.String())
	}
}

func TestScanSum(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, Scan(&out, record.Scan{Binaries: 1, Affected: 1, NotArm64Go: 1, Errors: []string{"x"}}))
	assert.Equal(t, "1 Go binary for arm64, 1 with windows; 1 other file; 1 error\n", out.String())
	out.Reset()
	require.NoError(t, Scan(&out, record.Scan{Binaries: 2, Foreign: map[string]int{"riscv64": 2, "amd64": 1}}))
	assert.Equal(t, "2 Go binaries for arm64, 0 with windows; 1 Go binary for amd64; 2 Go binaries for riscv64; 0 other files; 0 errors\n", out.String())
}
