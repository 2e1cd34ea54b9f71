package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab"
	"splitadd/internal/record"
	"splitadd/internal/repro"
	"splitadd/internal/triage"
)

// TestTriage runs a reproducer until it crashes, and triages the log: as it is and as
// a log collector writes it, with the binary that ran and with another one.
func TestTriage(t *testing.T) {
	ctx := context.Background()
	e, err := lab.FindEngine(ctx, lab.Choice{})
	require.NoError(t, err)
	dir := t.TempDir()
	binaries := map[string]string{}
	for _, release := range []string{"go1.23.4", "go1.27.4"} {
		toolchain, err := lab.Resolve(ctx, release)
		require.NoError(t, err)
		there := filepath.Join(dir, release)
		require.NoError(t, os.Mkdir(there, 0o755))
		source, err := repro.Source("leaf SP", repro.Kinds["leaf SP"])
		require.NoError(t, err)
		binaries[release], err = lab.BuildMain(ctx, toolchain, e.Target, source, there)
		require.NoError(t, err)
	}
	log, binary := []byte(nil), binaries["go1.27.4"]
	b, err := triage.Open(ctx, binary)
	require.NoError(t, err)
	defer b.Close()
	for range 10 { // until a log shows the cause; most logs do
		r, err := e.Run(ctx, lab.Job{Path: binary, OneByOne: true, Deadline: time.Minute})
		require.NoError(t, err)
		log = r.Output
		verdicts, err := triage.Reader("log", bytes.NewReader(log), b)
		require.NoError(t, err)
		if verdicts[0].Answer.Split() {
			break
		}
	}
	plain, wrapped := filepath.Join(dir, "plain.log"), filepath.Join(dir, "wrapped.log")
	require.NoError(t, os.WriteFile(plain, log, 0o600))
	var lines strings.Builder
	for i, line := range strings.Split(string(log), "\n") {
		object, err := json.Marshal(map[string]any{"log": line + "\n", "stream": "stderr", "n": i})
		require.NoError(t, err)
		fmt.Fprintf(&lines, "%s\n", object)
	}
	require.NoError(t, os.WriteFile(wrapped, []byte(lines.String()), 0o600))

	for _, path := range []string{plain, wrapped} {
		cmd, stdout, stderr := splitadd(t, "triage", "-json", "-binary", binary, path)
		_ = cmd.Run()
		require.Equal(t, exitAffected, cmd.ProcessState.ExitCode(), "%s\n%s", stderr, log)
		var v record.Triage
		require.NoError(t, json.Unmarshal([]byte(strings.SplitN(stdout.String(), "\n", 2)[0]), &v))
		assert.Equal(t, "split SP", v.Answer, "%s", stdout)
		assert.Equal(t, "go1.27.4", v.Go)
		assert.Len(t, v.Evidence, 3)
		assert.Contains(t, v.Evidence[2], "the frames in the log are those of")
		assert.NotEmpty(t, v.Func)
	}
	cmd, stdout, stderr := splitadd(t, "triage", "-binary", binary, plain)
	_ = cmd.Run()
	require.Equal(t, exitAffected, cmd.ProcessState.ExitCode(), "%s", stderr)
	assert.Regexp(t, `(?m)^\S+plain\.log:[0-9]+: split SP in main\.\w+\+0x[0-9a-f]+ \(certain\)$`, stdout.String())
	assert.Regexp(t, `ADD \$\(\d+<<12\), RSP, RSP   <- leaf SP window`, stdout.String())
	assert.Contains(t, stdout.String(), "    what to do: ")

	cmd, stdout, stderr = splitadd(t, "triage", "-binary", binaries["go1.23.4"], plain)
	_ = cmd.Run()
	require.Equal(t, exitSuspect, cmd.ProcessState.ExitCode(), "it looks like a split all the same: %s", stderr)
	assert.Contains(t, stdout.String(), ": undecided: the log is from another build than ")
}
