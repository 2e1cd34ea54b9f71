package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/record"
	"splitadd/internal/trial"
)

// TestShards checks in eight shards, merges their records, and holds what is
// pooled against one check of the same seeds: as many runs, and how long victims
// live does not differ by more than chance.
func TestShards(t *testing.T) {
	const runs = "16"
	dir := t.TempDir()
	shard := func(which string) string {
		cmd, stdout, stderr := splitadd(t, "check", "-json", "-runs", runs, "-shard", which, "go1.27.4")
		_ = cmd.Run()
		require.Equal(t, exitAffected, cmd.ProcessState.ExitCode(), "%s: %s", which, stderr)
		file := filepath.Join(dir, filepath.Base(which)+"-of-"+filepath.Dir(which))
		require.NoError(t, os.WriteFile(file, stdout.Bytes(), 0o600))
		return file
	}
	merged := func(files ...string) *record.All {
		cmd, stdout, stderr := splitadd(t, append([]string{"merge"}, files...)...)
		require.NoError(t, cmd.Run(), "%s", stderr)
		all := new(record.All)
		require.NoError(t, all.Read(bytes.NewReader(stdout.Bytes())))
		return all
	}
	var files []string
	for i := range 8 {
		files = append(files, shard(fmt.Sprintf("%d/8", i+1)))
	}
	pooled, one := merged(files...), merged(shard("1/1"))
	require.Len(t, pooled.Verdicts, 1, "one shard decides")
	assert.Equal(t, []string{"leaf SP", "leaf FP"}, pooled.Verdicts[0].Affected)
	require.Len(t, pooled.Series, 2)
	require.Len(t, one.Series, 2)
	for i, s := range pooled.Series {
		assert.Equal(t, 16, s.Runs)
		assert.Equal(t, 16, one.Series[i].Runs)
		c, err := trial.LogRank(lives(s), lives(one.Series[i]))
		require.NoError(t, err)
		assert.Greater(t, c.P, 0.001, "%s %s: %v and %v", s.Func, s.Class, s.Rate, one.Series[i].Rate)
		t.Logf("%s %s: pooled %v, one run %v, log-rank p = %.2g", s.Func, s.Class, s.Rate, one.Series[i].Rate, c.P)
	}

	cmd, _, stderr := splitadd(t, "merge", files[0], files[1], files[0])
	require.Error(t, cmd.Run())
	assert.Regexp(t, `^splitadd: error: go1.27.4 leaf65552 SP under gc, seed 1: there twice, in shards "1/8" and "1/8"\n$`, stderr.String())
}

func lives(s record.Series) (sample trial.Sample) {
	for _, l := range s.Lives {
		sample = append(sample, trial.Life{Seconds: l.Seconds, Died: l.Died})
	}
	return sample
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
