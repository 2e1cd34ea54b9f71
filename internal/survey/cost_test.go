//go:build linux

package survey_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/budget"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/objfile"
	"splitadd/internal/objfile/objtest"
	"splitadd/internal/survey"
)

// What a hostile file of at most 64 MB may cost.
const (
	mostTime   = 5 * time.Second
	mostMemory = 300 << 20
)

// A cost is the time and memory that a survey of one file took in its own process.
type cost struct {
	Seconds float64
	Memory  int64 // bytes, at most at a time
	Windows int
	Error   string
	Kind    string // of the error: "other", "exceeded", "panic" or "broken"
}

const surveyed = "SPLITADD_SURVEYED"

// TestMain surveys a file instead of testing, in the process that survey starts.
func TestMain(m *testing.M) {
	path := os.Getenv(surveyed)
	if path == "" {
		os.Exit(m.Run())
	}
	begin := time.Now()
	b, err := survey.ScanFile(context.Background(), path, true, budget.Default)
	c := cost{Seconds: time.Since(begin).Seconds()}
	if b != nil {
		c.Windows = len(b.Functions)
	}
	if err != nil {
		c.Error = err.Error()
		switch {
		case errors.Is(err, objfile.ErrPanic):
			c.Kind = "panic"
		case errors.Is(err, survey.ErrNotArm64Go):
			c.Kind = "other"
		case errors.Is(err, budget.ErrExceeded):
			c.Kind = "exceeded"
		default:
			c.Kind = "broken"
		}
	}
	c.Memory = objtest.PeakMemory()
	_ = json.NewEncoder(os.Stdout).Encode(c)
}

// measure surveys a file in a child process, which is killed if it takes too long.
func measure(t *testing.T, path string) (c cost) {
	self, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), surveyed+"="+path)
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	require.NoError(t, json.Unmarshal(out, &c))
	return c
}

// TestCost surveys hostile files of up to 64 MB. The survey of each takes less than 5 s
// and 300 MB, and does not panic. With -keep the files are left in a folder.
func TestCost(t *testing.T) {
	for _, c := range labtest.Few(t, 4, objtest.HostileFiles(t)) {
		t.Run(c.Name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "hostile")
			if *keep != "" {
				path = filepath.Join(*keep, strings.ReplaceAll(c.Name, " ", "-"))
			}
			data := c.Data()
			require.NoError(t, os.WriteFile(path, data, 0o600))
			got := measure(t, path)
			t.Logf("| %s | %.1f MB | %.2f s, %d MB | %s%s |", c.Name, float64(len(data))/1e6, got.Seconds, got.Memory>>20, got.Kind, strings.ReplaceAll(got.Error, path, " "))
			assert.Less(t, got.Seconds, mostTime.Seconds())
			assert.Less(t, got.Memory, int64(mostMemory))
			assert.True(t, c.Kinds == got.Kind || got.Kind != "" && strings.Contains(c.Kinds, got.Kind), "%s: want %q", got.Kind, c.Kinds)
			if got.Kind != "" {
				assert.Contains(t, got.Error, path)
			}
		})
	}
}

// TestPipe opens a pipe that nobody writes to.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	done := make(chan error, 1)
	go func() {
		_, err := survey.ScanFile(context.Background(), path, false, budget.Default)
		done <- err
	}()
	select {
	case err := <-done:
		require.ErrorIs(t, err, survey.ErrNotArm64Go)
		require.ErrorContains(t, err, path+": not an executable for arm64: not a regular file")
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for a writer")
	}
}

// TestInterrupted ends a survey of one file at once.
func TestInterrupted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hostile")
	data := objtest.SlowExecutable(60 << 20)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	limits := budget.Default
	limits.Work.PerMB <<= 12
	limits.Memory.PerMB <<= 12
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(200*time.Millisecond, cancel)
	begin := time.Now()
	_, err := survey.ScanFile(ctx, path, false, limits)
	took := time.Since(begin)
	require.ErrorIs(t, err, context.Canceled, fmt.Sprint(err))
	assert.Less(t, took, 2*time.Second)
	assert.ErrorContains(t, err, path)
	_, err = survey.ScanFile(ctx, labtest.Guest(t, "local"), false, budget.Default)
	require.ErrorIs(t, err, context.Canceled)
}
