package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/record"
)

var (
	engines = flag.Bool("engines", false, "compare the verdicts of the engines")
	swept   = flag.Bool("sweep", false, "sweep all releases from go1.18 on")
)

// TestSweep sweeps all releases, and compares what it finds with the suite's file of
// verdicts.
func TestSweep(t *testing.T) {
	if !*swept {
		t.Skip("fetches some twenty toolchains: make sweep")
	}
	known, err := os.ReadFile("../../race/testdata/verdicts.txt")
	require.NoError(t, err)
	begin := time.Now()
	cmd, stdout, stderr := splitadd(t, "sweep", "-json", "-from", "go1.18", "-to", "go1.27.4")
	_ = cmd.Run()
	require.Equal(t, exitAffected, cmd.ProcessState.ExitCode(), "%s", stderr)
	verdicts, err := record.ReadVerdicts(stdout)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(verdicts), 10)
	for release, v := range verdicts {
		assert.Contains(t, string(known), release+": "+strings.Join(v.Affected, ", ")+"\n")
	}
	t.Logf("%d releases in %.0f s", len(verdicts), time.Since(begin).Seconds())
}

// TestEngines compares the tables of two engines, row by row, and times the virtual
// machine.
func TestEngines(t *testing.T) {
	if !*engines {
		t.Skip("checks three releases twice: make test-vm")
	}
	for _, release := range []string{"go1.23.4", "go1.24.6", "go1.27.4"} {
		t.Run(release, func(t *testing.T) {
			user, _ := rows(t, "-engine", "user", release)
			begin := time.Now()
			vm, evidence := rows(t, "-engine", "vm", release)
			t.Logf("%d rows, in %.1f s on %s", len(vm), time.Since(begin).Seconds(), evidence)
			assert.Equal(t, user, vm)
			assert.Contains(t, evidence, "qemu-system-aarch64 ")
		})
	}
}

// rows returns what a check says about each window, control and verdict, without
// measured values, and the engine.
func rows(t *testing.T, args ...string) (rows []string, engine string) {
	cmd, stdout, stderr := splitadd(t, append([]string{"check", "-json"}, args...)...)
	_ = cmd.Run()
	require.Equal(t, exitAffected, cmd.ProcessState.ExitCode(), "%s", stderr)
	for _, line := range strings.Split(strings.TrimSpace(stdout.String()), "\n") {
		var head record.Header
		require.NoError(t, json.Unmarshal([]byte(line), &head))
		switch head.Kind {
		case "run", "control":
			var r record.Run
			require.NoError(t, json.Unmarshal([]byte(line), &r))
			engine = r.Engine
			if r.Death == "unwind failure" {
				break // and was run again
			}
			rows = append(rows, fmt.Sprintf("%s %s leaf=%t %d %s %s pinned=%t %s: %s, %s at %s",
				r.Kind, r.Class, r.Leaf, r.Frame, r.Func, r.Observer, r.Pinned, r.Offset, r.Outcome, r.Death, r.Window))
		case "verdict":
			var v record.Verdict
			require.NoError(t, json.Unmarshal([]byte(line), &v))
			rows = append(rows, fmt.Sprintf("verdict: %v %v", v.Affected, v.Proved))
		}
	}
	return rows, engine
}
