package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/labtest"
)

// large builds a real program for linux/arm64 of about 80 MB. It is not stripped, because
// objdump refuses stripped programs. SPLITADD_BENCH_BINARY names another program.
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

// BenchmarkScan measures the process "splitadd scan". It scans a program of about 80 MB,
// and cmd/go as three releases build it: the last without the fix of golang/go#80188, the
// first with it, and go1.27.4. It runs scan and sha256sum in turn, and reports the ratio
// of the fastest scan to the fastest sha256sum of the same file. It also reports the
// ratio of objdump's time to the time of the scan.
func BenchmarkScan(b *testing.B) {
	programs := map[string]string{"large": ""}
	for _, release := range []string{"go1.26.5", "go1.26.6", "go1.27.4"} {
		programs["cmd/go of "+release] = release
	}
	splitadd, err := exec.LookPath("splitadd")
	require.NoError(b, err)
	for name, release := range programs {
		b.Run(name, func(b *testing.B) {
			path := ""
			if release == "" {
				path = large(b)
			} else {
				path = labtest.Build(b, runtime.GOROOT(), "cmd/go", []string{"GOTOOLCHAIN=" + release, "GOFLAGS="})
			}
			run := func(name string, args ...string) time.Duration {
				begin := time.Now()
				_ = exec.Command(name, args...).Run() // scan exits with 3
				return time.Since(begin)
			}
			info, err := os.Stat(path)
			require.NoError(b, err)
			b.SetBytes(info.Size())
			run(splitadd, "scan", "-q", path)
			scan, sum := time.Hour, time.Hour
			b.ResetTimer()
			for range b.N {
				scan = min(scan, run(splitadd, "scan", "-q", path))
				b.StopTimer()
				sum = min(sum, run("sha256sum", path))
				b.StartTimer()
			}
			b.StopTimer()
			b.ReportMetric(float64(scan)/float64(sum), "scan/sha256sum")
			if release == "" {
				b.ReportMetric(float64(run("go", "tool", "objdump", path))/float64(scan), "objdump/scan")
			}
		})
	}
}
