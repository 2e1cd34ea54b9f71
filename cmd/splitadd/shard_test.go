package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/record"
	"splitadd/internal/trial"

	"splitadd/internal/lab/labtest"
)

// TestShards checks in eight shards and merges their records. The result equals that of
// one file with all their runs, and every seed is there once.
func TestShards(t *testing.T) {
	labtest.Long(t, "eight shards")
	const runs = "8"
	dir := t.TempDir()
	var files []string
	var together bytes.Buffer
	for i := range 8 {
		cmd, stdout, stderr := splitadd(t, "check", "-json", "-runs", runs, "-shard", fmt.Sprintf("%d/8", i+1), "go1.27.4")
		_ = cmd.Run()
		require.Equal(t, exitAffected, cmd.ProcessState.ExitCode(), "%d: %s", i, stderr)
		files = append(files, filepath.Join(dir, fmt.Sprint(i)))
		require.NoError(t, os.WriteFile(files[i], stdout.Bytes(), 0o600))
		together.Write(stdout.Bytes())
	}
	whole := filepath.Join(dir, "whole")
	require.NoError(t, os.WriteFile(whole, together.Bytes(), 0o600))
	merged := func(files ...string) *record.Collection {
		cmd, stdout, stderr := splitadd(t, append([]string{"merge"}, files...)...)
		require.NoError(t, cmd.Run(), "%s", stderr)
		all := new(record.Collection)
		require.NoError(t, all.Read(bytes.NewReader(stdout.Bytes())))
		return all
	}
	pooled, one := merged(files...), merged(whole)
	assert.Equal(t, one, pooled)
	require.Len(t, pooled.Verdicts, 1, "one shard decides")
	assert.Equal(t, []string{"leaf SP", "leaf FP"}, pooled.Verdicts[0].Affected)
	require.Len(t, pooled.Series, 2)
	for _, s := range pooled.Series {
		assert.Equal(t, 8, s.Runs)
		seeds := map[int]bool{}
		for _, r := range pooled.Runs {
			if !r.Pinned && r.Func == s.Func && r.Seed > 0 {
				seeds[r.Seed] = true
			}
		}
		assert.Len(t, seeds, 8)
	}

	cmd, _, stderr := splitadd(t, "merge", files[0], files[1], files[0])
	require.Error(t, cmd.Run())
	assert.Regexp(t, `^splitadd: error: go1.27.4 leaf65552 SP under gc, seed 1: recorded twice, in shards "1/8" and "1/8"\n$`, stderr.String())
}

var pool = flag.Bool("pool", false, "compare eight shards with one run of the same seeds")

// TestPooled checks in eight shards, and then all their seeds in one run. The
// estimates agree within the accuracy of so few deaths. It needs an idle machine.
func TestPooled(t *testing.T) {
	if !*pool {
		t.Skip("wants an idle machine for two minutes: make pool")
	}
	dir := t.TempDir()
	measure := func(name string, args ...string) string {
		cmd, stdout, stderr := splitadd(t, append(append([]string{"check", "-json", "-runs", "32"}, args...), "go1.27.4")...)
		_ = cmd.Run()
		require.Equal(t, exitAffected, cmd.ProcessState.ExitCode(), "%s", stderr)
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, stdout.Bytes(), 0o600))
		return path
	}
	var shards []string
	for i := range 8 {
		shards = append(shards, measure(fmt.Sprint(i), "-shard", fmt.Sprintf("%d/8", i+1)))
	}
	whole := measure("whole")
	series := func(files ...string) map[string]record.Series {
		cmd, stdout, stderr := splitadd(t, append([]string{"merge"}, files...)...)
		require.NoError(t, cmd.Run(), "%s", stderr)
		all, by := new(record.Collection), map[string]record.Series{}
		require.NoError(t, all.Read(bytes.NewReader(stdout.Bytes())))
		for _, s := range all.Series {
			require.Equal(t, 32, s.Runs)
			by[s.Func] = s
		}
		return by
	}
	pooled, one := series(shards...), series(whole)
	require.Len(t, pooled, 2)
	for name, s := range pooled {
		c, err := trial.LogRank(s.Sample(), one[name].Sample())
		require.NoError(t, err)
		t.Logf("%s: eight shards %.2f (%.2f to %.2f) a second, one run %.2f (%.2f to %.2f): log-rank p = %.2g", name,
			s.Rate.Estimate, s.Rate.Low, s.Rate.High, one[name].Rate.Estimate, one[name].Rate.Low, one[name].Rate.High, c.P)
		assert.Greater(t, c.P, 0.001, name)
	}
}

func TestShardNames(t *testing.T) {
	for _, bad := range []string{"", "3", "0/8", "9/8", "1/0", "-1/2", "1/8x", "a/b"} {
		assert.Error(t, new(shard).set(bad), bad)
	}
	var s shard
	require.NoError(t, s.set("3/8"))
	assert.Equal(t, "3/8", s.String())
	assert.Equal(t, []int{3, 11, 19}, s.seeds(20))
}
