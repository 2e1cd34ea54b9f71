package process

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// script writes a shell script to run.
func script(t *testing.T, body string) Job {
	path := filepath.Join(t.TempDir(), "guest")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o700))
	return Job{Command: []string{path}, Dir: filepath.Dir(path), Deadline: 30 * time.Second}
}

// gone waits until every process that has the text in its command line has ended.
func gone(t *testing.T, text string) {
	pgrep, err := exec.LookPath("pgrep")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return exec.Command(pgrep, "-f", text).Run() != nil },
		10*time.Second, 20*time.Millisecond, "a process with %q is left", text)
}

func TestExited(t *testing.T) {
	job := script(t, `echo a; echo $A >&2; exit 3`)
	job.Env = []string{"A=b"}
	r, err := Run(context.Background(), job)
	require.NoError(t, err)
	assert.Equal(t, Exited, r.End)
	assert.Equal(t, 3, r.Code)
	assert.Contains(t, string(r.Output), "a\nb\n")
}

func TestSignal(t *testing.T) {
	job := script(t, `kill -SEGV $$`)
	r, err := Run(context.Background(), job)
	require.NoError(t, err)
	assert.Equal(t, []any{Exited, -1, "segmentation fault"}, []any{r.End, r.Code, r.Signal})
}

func TestBounds(t *testing.T) {
	t.Run("deadline", func(t *testing.T) {
		job := script(t, "sleep 4711 & while :; do echo x; sleep 0.1; done")
		job.Deadline = time.Second
		r, err := Run(context.Background(), job)
		require.NoError(t, err)
		assert.Equal(t, Deadline, r.End)
		gone(t, "sleep 4711")
	})
	t.Run("a gigabyte of output", func(t *testing.T) {
		job := script(t, "yes | head -c 1000000000; echo splitadd-end; sleep 4713")
		r, err := Run(context.Background(), job)
		require.NoError(t, err)
		assert.Equal(t, TooMuchOutput, r.End)
		assert.Len(t, r.Output, MaxOutput)
		assert.Less(t, r.Seconds, 20.0)
		gone(t, "sleep 4713")
	})
	t.Run("a child that keeps the output open", func(t *testing.T) {
		job := script(t, "sleep 4714 & exit 0")
		job.Deadline = time.Second
		_, err := Run(context.Background(), job)
		require.NoError(t, err)
		gone(t, "sleep 4714")
	})
	t.Run("interrupted", func(t *testing.T) {
		job := script(t, "sleep 4715")
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		_, err := Run(ctx, job)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		gone(t, "sleep 4715")
	})
	t.Run("no deadline", func(t *testing.T) {
		_, err := Run(context.Background(), Job{Command: []string{"/bin/true"}})
		require.Error(t, err)
	})
	t.Run("no guest", func(t *testing.T) {
		_, err := Run(context.Background(), Job{Command: []string{"/nonexistent/guest"}, Deadline: time.Second})
		require.Error(t, err)
	})
}

// TestUserProgram runs a user's program. It keeps its own limits and environment, and is not
// killed for a long output.
func TestUserProgram(t *testing.T) {
	t.Run("output", func(t *testing.T) {
		job := script(t, "echo first; yes | head -c 100000000; echo last; exit 7")
		job.UserProgram, job.Env = true, os.Environ()
		r, err := Run(context.Background(), job)
		require.NoError(t, err)
		assert.Equal(t, []any{Exited, 7, ""}, []any{r.End, r.Code, r.Signal})
		assert.LessOrEqual(t, len(r.Output), MaxOutput)
		assert.Greater(t, len(r.Output), MaxOutput*3/4)
		assert.True(t, strings.HasPrefix(string(r.Output), "first\ny\n"))
		assert.True(t, strings.HasSuffix(string(r.Output), "y\nlast\n"))
		assert.Contains(t, string(r.Output), fmt.Sprintf("\n[%d bytes are left out here]\n", r.Dropped))
		kept := len(r.Output) - len(fmt.Sprintf("\n[%d bytes are left out here]\n", r.Dropped))
		assert.EqualValues(t, len("first\nlast\n")+100_000_000, int64(kept)+r.Dropped)
	})
	t.Run("limits", func(t *testing.T) {
		if _, err := os.Stat("/proc/self/limits"); err != nil {
			t.Skip("only Linux bounds another process's memory")
		}
		own, err := exec.Command("sh", "-c", "ulimit -a; ulimit -Ha").Output()
		require.NoError(t, err)
		job := script(t, "sleep 0.2; ulimit -a; ulimit -Ha; echo $HOME-$GOTRACEBACK")
		job.UserProgram, job.Env = true, []string{"PATH=" + os.Getenv("PATH")}
		r, err := Run(context.Background(), job)
		require.NoError(t, err)
		assert.Equal(t, string(own)+"-\n", string(r.Output))
	})
}

// TestSession runs programs with a child in another session that keeps their output
// open. The run ends when the program ends, or at its deadline.
func TestSession(t *testing.T) {
	setsid, err := exec.LookPath("setsid")
	if runtime.GOOS != "linux" && err != nil {
		t.Skip("setsid is a program of Linux's")
	}
	require.NoError(t, err)
	for _, c := range []struct {
		body string
		end  End
		code int
	}{
		{setsid + " sleep 20 & exit 3", Exited, 3},
		{setsid + " sleep 20 & sleep 60", Deadline, -1},
		{setsid + " sh -c 'while :; do echo x; sleep 0.1; done' & sleep 60", Deadline, -1},
		{setsid + " sh -c 'while :; do echo x; sleep 0.1; done' & exit 3", Exited, 3},
	} {
		for _, asItIs := range []bool{false, true} {
			t.Run(fmt.Sprint(c.body, asItIs), func(t *testing.T) {
				t.Parallel()
				job := script(t, c.body)
				job.UserProgram, job.Deadline = asItIs, 2*time.Second
				begin := time.Now()
				r, err := Run(context.Background(), job)
				require.NoError(t, err)
				assert.Equal(t, []any{c.end, c.code}, []any{r.End, r.Code})
				assert.Less(t, time.Since(begin), 4*time.Second)
			})
		}
	}
}

// TestMemory bounds a process that does not want to end.
func TestMemory(t *testing.T) {
	if _, err := os.Stat("/proc/self/limits"); err != nil {
		t.Skip("only Linux bounds another process's memory")
	}
	job := script(t, "sleep 0.2; cat /proc/self/limits")
	r, err := Run(context.Background(), job)
	require.NoError(t, err)
	assert.Regexp(t, `Max data size +`+strconv.Itoa(maxMemory), string(r.Output))
	assert.Regexp(t, `Max core file size +0 `, string(r.Output))
}

// asHost is set in the environment of this test when it runs as a host that the test
// will kill.
const asHost = "SPLITADD_TEST_HOST"

func TestMain(m *testing.M) {
	if guest := os.Getenv(asHost); guest != "" {
		_, err := Run(context.Background(), Job{Command: []string{guest}, Deadline: time.Minute})
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestHostIsKilled kills a host with a signal that it cannot handle, and waits for its
// guest to end.
func TestHostIsKilled(t *testing.T) {
	if _, err := os.Stat("/proc/self/limits"); err != nil {
		t.Skip("only Linux ties a process's life to its parent's")
	}
	pidFile := filepath.Join(t.TempDir(), "pid")
	job := script(t, fmt.Sprintf("echo $$ > %s; exec sleep 4716", pidFile))
	host := exec.Command(os.Args[0])
	host.Env = append(os.Environ(), asHost+"="+job.Command[0])
	require.NoError(t, host.Start())
	require.Eventually(t, func() bool { data, _ := os.ReadFile(pidFile); return len(data) > 1 }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, host.Process.Kill())
	_ = host.Wait()
	data, err := os.ReadFile(pidFile)
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(state), ") Z ")
	}, 10*time.Second, 10*time.Millisecond, "the guest outlives its host")
}

// TestGroup shows that the children of a build end with it.
func TestGroup(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "sleep 4717 & echo started; wait")
	InGroup(cmd)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	cancel()
	require.Error(t, cmd.Wait())
	gone(t, "sleep 4717")
	require.Equal(t, "killed", signalName(cmd.ProcessState))
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}

// TestNoStall runs watch with the timers that the agent has: its module's language is
// that of Go 1.21, in which a timer that was stopped may have fired.
func TestNoStall(t *testing.T) {
	t.Setenv("GODEBUG", "asynctimerchan=1")
	for range 20000 {
		ended := make(chan error)
		go func() {
			runtime.Gosched()
			ended <- nil
		}()
		r := Result{End: Exited}
		_ = r.watch(Job{Deadline: time.Minute}, time.Now(), &output{}, ended, func() {})
		require.Equal(t, Exited, r.End)
	}
}
