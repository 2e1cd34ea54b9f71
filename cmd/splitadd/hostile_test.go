package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/budget"
	"splitadd/internal/objfile"
	"splitadd/internal/objfile/objtest"

	"splitadd/internal/lab/labtest"
)

// What a hostile file of at most 64 MB may cost.
const (
	mostSeconds = 5
	mostMemory  = 300 << 20 // bytes, at most at a time
)

// crashLog is a log to triage with a binary.
const crashLog = "../../internal/crash/testdata/go1.23.4-sp-leaf65552-gc.txt"

// A cost is what a run of splitadd took.
type cost struct {
	Seconds float64
	Memory  int64 // bytes, at most at a time
}

const costFile = "SPLITADD_COST"

// costing is splitadd, and writes what it took to a file.
func costing() {
	begin := time.Now()
	status := run(os.Args[1:], os.Stdout, os.Stderr)
	c, _ := json.Marshal(cost{time.Since(begin).Seconds(), objtest.PeakMemory()})
	if err := os.WriteFile(os.Getenv(costFile), c, 0o600); err != nil {
		panic(err)
	}
	os.Exit(status)
}

// costOf runs splitadd in a process of its own.
func costOf(t *testing.T, args ...string) (c cost, status int, stdout, stderr string) {
	path, err := exec.LookPath("costing") // testscript puts it there
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "cost")
	cmd := exec.Command(path, args...)
	var out, diagnostics bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), costFile+"="+file), &out, &diagnostics
	_ = cmd.Run()
	data, err := os.ReadFile(file)
	require.NoError(t, err, "%s", &diagnostics)
	require.NoError(t, json.Unmarshal(data, &c))
	return c, cmd.ProcessState.ExitCode(), out.String(), diagnostics.String()
}

// check compares a cost with the bounds.
func (c cost) check(t *testing.T, what string) {
	t.Helper()
	t.Logf("| %s | %.2f s, %d MB |", what, c.Seconds, c.Memory>>20)
	assert.Less(t, c.Seconds, float64(mostSeconds), what)
	assert.Less(t, c.Memory, int64(mostMemory), what)
}

// TestHostileBinaries plans the repair of hostile files, and triages a crash log with
// each.
func TestHostileBinaries(t *testing.T) {
	for _, h := range labtest.Few(t, 4, objtest.HostileFiles(t)) {
		t.Run(h.Name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "hostile")
			require.NoError(t, os.WriteFile(path, h.Data(), 0o600))
			for _, args := range [][]string{{"repair", "-dry-run", path}, {"triage", "-binary", path, crashLog}} {
				c, status, stdout, stderr := costOf(t, args...)
				c.check(t, h.Name+" | "+args[0])
				assert.NotContains(t, stderr, objfile.ErrPanic.Error())
				if h.Kinds != "" {
					assert.Equal(t, exitFailed, status, "%s%s", stdout, stderr)
					assert.Contains(t, stderr, path)
				} else {
					assert.Contains(t, []int{0, exitFailed, exitAffected, exitSuspect}, status, "%s%s", stdout, stderr)
					if status == exitFailed { // triage reads the names of all functions, which may exceed the budget
						assert.Contains(t, stderr, budget.ErrExceeded.Error())
					}
				}
			}
		})
	}
}

// TestManyWindows scans a file with the largest number of windows that its size allows,
// in every form of output.
func TestManyWindows(t *testing.T) {
	const windows = 11_000
	path := filepath.Join(t.TempDir(), "many")
	require.NoError(t, os.WriteFile(path, objtest.ManyWindows(windows, 1000, 60<<20), 0o600))
	scan := func(form ...string) string {
		c, status, stdout, stderr := costOf(t, append(append([]string{"scan"}, form...), path)...)
		c.check(t, "scan "+strings.Join(form, " "))
		require.Equal(t, exitAffected, status, stderr)
		require.Empty(t, stderr)
		return stdout
	}
	assert.Equal(t, path+": leaf SP\n", scan("-q"))
	assert.Equal(t, windows, strings.Count(scan("-json"), `"kind":"window"`))
	var sarif struct {
		Runs []struct{ Results []struct{ RuleID string } }
	}
	require.NoError(t, json.Unmarshal([]byte(scan("-sarif")), &sarif))
	require.Len(t, sarif.Runs, 1)
	assert.Len(t, sarif.Runs[0].Results, windows)
	assert.Equal(t, windows, strings.Count(scan(), "\n    leaf SP at "))
}

// TestHostileArchives scans images and archives that unpack to far more than they are, or
// have far more members.
func TestHostileArchives(t *testing.T) {
	z, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	header := func(name string, size int64) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Size: size, Typeflag: tar.TypeReg, Mode: 0o755}))
		return b.Bytes()
	}
	zeros := z.EncodeAll(make([]byte, 8<<20), nil) // a few hundred bytes
	program := objtest.MakeELF()[:64]
	var many, programs []byte
	for i := range 64 << 10 {
		many = append(many, header(strconv.Itoa(i), 0)...)
	}
	for i := range 200 {
		programs = append(programs, z.EncodeAll(append(header(strconv.Itoa(i), 64+32<<20), program...), nil)...)
		programs = append(programs, bytes.Repeat(zeros, 4)...)
		programs = append(programs, z.EncodeAll(make([]byte, 448), nil)...)
	}
	for name, data := range map[string][]byte{
		"one file of 1 TB":       append(z.EncodeAll(header("zeros", 1<<40), nil), bytes.Repeat(zeros, 1<<12)...),
		"one program of 1 TB":    append(z.EncodeAll(append(header("app", 1<<40), program...), nil), bytes.Repeat(zeros, 1<<12)...),
		"260,000 empty files":    bytes.Repeat(z.EncodeAll(many, nil), 4),
		"200 programs of zeros":  programs,
		"a program in a package": append([]byte("!<arch>\ndebian-binary   0           0     0     100644  4         `\n2.0\ndata.tar.zst    0           0     0     100644  9999999999`\n"), programs...),
	} {
		path := filepath.Join(t.TempDir(), "hostile")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		c, status, stdout, stderr := costOf(t, "scan", path)
		c.check(t, name+", "+humanize.Bytes(uint64(len(data))))
		if name == "260,000 empty files" {
			assert.Equal(t, 0, status, "%s: %s%s", name, stdout, stderr)
			continue
		}
		assert.Equal(t, exitFailed, status, "%s: %s%s", name, stdout, stderr)
		assert.Contains(t, stderr, "not read", name)
		assert.NotContains(t, stderr, objfile.ErrPanic.Error(), name)
	}
}

// TestInterruptedBinary sends Ctrl-C while a large file is read: five million
// functions take seconds.
func TestInterruptedBinary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slow")
	require.NoError(t, os.WriteFile(path, objtest.ManyFunctions(5<<20), 0o600))
	for _, args := range [][]string{{"scan", path}, {"repair", "-dry-run", path}, {"triage", "-binary", path, crashLog}} {
		cmd, stdout, stderr := splitadd(t, args...)
		require.NoError(t, cmd.Start())
		time.Sleep(400 * time.Millisecond)
		begin := time.Now()
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		_ = cmd.Wait()
		took := time.Since(begin)
		t.Logf("%s: %v", args[0], took)
		assert.Equal(t, exitFailed, cmd.ProcessState.ExitCode(), args[0])
		assert.Equal(t, "splitadd: error: interrupted\n", stderr.String(), "%s: %s", args[0], stdout)
		assert.Less(t, took, 2*time.Second, args[0])
	}
}
