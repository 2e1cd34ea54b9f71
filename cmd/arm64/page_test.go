package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/process"
)

// TestPage shows on the page what a step printed, and that it did not end as it should.
func TestPage(t *testing.T) {
	exited := func(code int, output string) process.Result {
		return process.Result{End: process.Exited, Code: code, Seconds: 1, Output: []byte(output)}
	}
	results := []result{
		{step{what: "check", command: "a | b", wanted: []int{0, 3}}, exited(3, "verdict: \x1b[31maffected")},
		{step{what: "the suite", command: "c"}, exited(0, strings.Repeat("=== RUN\n    --- PASS: TestA/b (0.1s)\n", 50)+"--- FAIL: TestA (1s)\n--- SKIP: TestB (0s)\n")},
		{step{what: "scan", command: "d", wanted: []int{3}}, exited(0, "")},
		{step{what: "slow", command: "e"}, process.Result{End: process.Deadline, Code: -1}},
	}
	text := string(page(&place{commit: "abc", evidence: "a machine", booted: true}, results))
	for _, line := range []string{
		"Commit abc on a machine.",
		"| check | `a \\| b` | exit status 3: as wanted |  | 1.0 s |",
		"| the suite | `c` | exit status 0: as wanted | 50 passed, 1 failed, 1 skipped | 1.0 s |",
		"| scan | `d` | exit status 0: **not as wanted** |  | 1.0 s |",
		"| slow | `e` | ended by its deadline: **not as wanted** |  | 0.0 s |",
		"    [62 lines are left out]", "### The suite",
		`    verdict: \x1b[31maffected`,
	} {
		assert.Contains(t, text, line+"\n")
	}
	assert.Contains(t, text, "## What emulation leaves open")
	assert.NotContains(t, string(page(&place{}, results)), "## What emulation leaves open")
}

// TestSteps shows that a chosen step comes with those that it needs, before it.
func TestSteps(t *testing.T) {
	var names []string
	for _, s := range choose("core file") {
		names = append(names, s.what)
	}
	assert.Equal(t, []string{"build of the command", "a program that crashes", "the crash", "triage of its core file"}, names)
	assert.Len(t, choose(""), len(steps))
	assert.Empty(t, choose("nonsense"))
	known := map[string]bool{}
	for _, s := range steps {
		for _, need := range s.needs {
			assert.True(t, known[need], "%s needs %s", s.what, need)
		}
		known[s.what] = true
	}
	_, err := regexp.Compile(skipped())
	require.NoError(t, err)
}
