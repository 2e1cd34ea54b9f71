package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// large builds a real program for linux/arm64 of some 80 MB that is not
// stripped, since objdump refuses those that are. SPLITADD_BENCH_BINARY names
// another.
func large(b *testing.B) string {
	if path := os.Getenv("SPLITADD_BENCH_BINARY"); path != "" {
		return path
	}
	dir := b.TempDir()
	for _, args := range [][]string{
		{"mod", "init", "large"},
		{"get", "helm.sh/helm/v3/cmd/helm@v3.16.3"},
		{"build", "-o", "large", "helm.sh/helm/v3/cmd/helm"},
	} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS=-mod=mod")
		out, err := cmd.CombinedOutput()
		require.NoError(b, err, "%s", out)
	}
	return filepath.Join(dir, "large")
}

// BenchmarkScan times splitadd scan as a whole process, and go tool objdump on
// the same file once in the same run, and reports the ratio.
func BenchmarkScan(b *testing.B) {
	path := large(b)
	run := func(name string, args ...string) time.Duration {
		begin := time.Now()
		_ = exec.Command(name, args...).Run()
		return time.Since(begin)
	}
	splitadd, err := exec.LookPath("splitadd")
	require.NoError(b, err)
	info, err := os.Stat(path)
	require.NoError(b, err)
	b.SetBytes(info.Size())
	run(splitadd, "scan", "-q", path)
	b.ResetTimer()
	for range b.N {
		run(splitadd, "scan", "-q", path)
	}
	b.StopTimer()
	each := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(float64(run("go", "tool", "objdump", path))/float64(each), "objdump/scan")
}
