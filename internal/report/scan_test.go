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
	"splitadd/internal/window"
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
	possible := 0
	for _, f := range b.Functions {
		for _, w := range f.Windows {
			if w.Preemptible && w.Possible {
				possible++
			}
		}
	}
	require.Positive(t, possible)
	b.Path = "a folder/guest%#?\x1b[31m\u202e\xff" + strings.Repeat("x", 400)
	var out bytes.Buffer
	failures := []record.Failure{{Path: "bin/cut", Error: "bin/cut: cut\x1boff"}, {Path: "/abs/x y", Error: "none"}}
	require.NoError(t, SARIF(&out, "v1.2.3", []*survey.Binary{b}, failures))
	require.NoError(t, valid(t, out.Bytes()))
	assert.Equal(t, b.Preemptible(), strings.Count(out.String(), `"ruleIndex"`))
	assert.Contains(t, out.String(), `"uri": "a%20folder/guest%25%23%3F%1B%5B31m%E2%80%AE%FF`+strings.Repeat("x", 400)+`"`)
	var log struct {
		Runs []struct {
			Tool struct {
				Driver struct {
					Version string
					Rules   []struct {
						ID   string
						Help struct{ Text, Markdown string }
					}
				}
			}
			Results []struct {
				RuleID, Level       string
				Message             struct{ Text string }
				PartialFingerprints map[string]string
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
	for i, rule := range log.Runs[0].Tool.Driver.Rules {
		assert.Equal(t, window.Clauses[i].Name, rule.ID)
		for _, k := range window.KindsOf(i + 1) {
			for _, text := range []string{k.Name + ": " + k.Problem + ".", k.Harm, k.Remedy} {
				assert.Contains(t, rule.Help.Text, text)
				assert.Contains(t, rule.Help.Markdown, text)
			}
		}
	}
	assert.Len(t, log.Runs[0].Tool.Driver.Rules, 7)
	identities, levels := map[string]bool{}, map[string]int{}
	for _, r := range log.Runs[0].Results {
		levels[r.Level]++
		assert.Equal(t, strings.HasPrefix(r.Message.Text, "Possible "), r.Level == "warning", "%s", r.Message.Text)
		hash := r.PartialFingerprints["primaryLocationLineHash"]
		assert.Regexp(t, `^[0-9a-f]{16}:[0-9]+$`, hash, "the form that code scanning reads")
		assert.False(t, identities[r.RuleID+hash], "%s", r.Message.Text)
		identities[r.RuleID+hash] = true
	}
	assert.Equal(t, map[string]int{"error": b.Preemptible() - possible, "warning": possible}, levels)
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

// TestFingerprints changes what differs from build to build, and what does not.
func TestFingerprints(t *testing.T) {
	b := &survey.Binary{Path: "bin/app", Package: "example.com/app", Main: "example.com/app@v1", Go: "go1.26.8"}
	f := survey.Function{Name: "main.leaf", Frame: 65552}
	w := survey.Window{Window: window.Window{Class: window.SP, Leaf: true, Entry: 0x1000, PC: 0x1068, File: "/src/main.go", Line: 16, Preemptible: true}}
	first := fingerprints(b, f, w, 1)
	assert.Equal(t, "leaf SP in main.leaf of example.com/app #1", first["window/v2"])

	again, moved, grown := *b, w, f
	again.Path, again.Main, again.Go = "/tmp/1/app", "example.com/app@v2", "go1.27.4"
	moved.Entry, moved.PC, moved.File, moved.Line = 0x2000, 0x20c4, "main.go", 99
	grown.Frame = 131088
	assert.Equal(t, first, fingerprints(&again, grown, moved, 1))

	other, leaf, fp := *b, f, w
	other.Package, leaf.Name, fp.Class = "example.com/other", "main.leaf2", window.FP
	for _, x := range []map[string]any{fingerprints(&other, f, w, 1), fingerprints(b, leaf, w, 1), fingerprints(b, f, fp, 1), fingerprints(b, f, w, 2)} {
		for name := range first {
			assert.NotEqual(t, first[name], x[name])
		}
	}
	other.Package = "" // stripped: the path is all there is
	assert.Equal(t, "leaf SP in main.leaf of bin/app #1", fingerprints(&other, f, w, 1)["window/v2"])
}

// TestStale counts functions whose only windows are stale frame pointers: a binary
// of go1.21.0 to go1.21.6 has many.
func TestStale(t *testing.T) {
	labtest.Long(t, "go1.21.3")
	b, err := survey.ScanFile(context.Background(), labtest.Guest(t, "go1.21.3"), false, budget.Default)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, Binaries(&out, []*survey.Binary{b}, record.Scan{}, Style{}))
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
	require.NoError(t, Binaries(&out, []*survey.Binary{b}, record.Scan{}, Style{}))
	for _, line := range strings.Split(out.String(), "\n") {
		assert.Less(t, len(line), 400)
		assert.NotContains(t, line, "\x1b")
		assert.NotContains(t, line, "\u202e")
	}
	assert.Contains(t, out.String(), "guest: ELF, built by an unknown Go, example.com/app: 2 windows in 1 function: leaf FP, leaf SP\n")
	assert.Contains(t, out.String(), `main.\x1b[2J\u202exxx`)

	out.Reset()
	require.NoError(t, Binaries(&out, []*survey.Binary{{Path: "p", Format: "PE", Go: "go1.27.4"}}, record.Scan{Binaries: 1}, Style{}))
	assert.Equal(t, "1 Go binary for arm64, 0 with windows; 0 other files; 0 errors\n\np: PE, go1.27.4: 0 windows\n", out.String())
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
		"scan": func(b *bytes.Buffer) error {
			return Binaries(b, []*survey.Binary{{Path: bad, Go: bad, Main: bad}}, record.Scan{}, Style{})
		},
		"sum": func(b *bytes.Buffer) error { return Scan(b, record.Scan{Foreign: map[string]int{bad: 1}}) },
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
