package lab

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// script writes a shell script to run as a guest, on an engine without an
// emulator.
func script(t *testing.T, body string) (*Engine, Job) {
	path := filepath.Join(t.TempDir(), "guest")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o700))
	return &Engine{}, Job{Path: path, Deadline: 30 * time.Second}
}

// gone waits until no process is left that has the text in its command line.
func gone(t *testing.T, text string) {
	pgrep, err := exec.LookPath("pgrep")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return exec.Command(pgrep, "-f", text).Run() != nil },
		10*time.Second, 20*time.Millisecond, "a process with %q is left", text)
}

func TestExited(t *testing.T) {
	engine, job := script(t, `echo "splitadd guest: begin x gc"; echo "splitadd guest: end 7 calls 12 seconds 1.500"; echo $A >&2; exit 3`)
	job.Env = []string{"A=b"}
	r, err := engine.Run(context.Background(), job)
	require.NoError(t, err)
	assert.Equal(t, Exited, r.End)
	assert.Equal(t, 3, r.Code)
	assert.Contains(t, string(r.Output), "\nb\n")
	assert.Equal(t, Exposure{Began: true, Ended: true, Observations: 7, Calls: 12, Seconds: 1.5}, r.Exposure())
}

func TestSignal(t *testing.T) {
	engine, job := script(t, `kill -SEGV $$`)
	r, err := engine.Run(context.Background(), job)
	require.NoError(t, err)
	assert.Equal(t, []any{Exited, -1, "SIGSEGV"}, []any{r.End, r.Code, r.Signal})
}

func TestBounds(t *testing.T) {
	t.Run("deadline", func(t *testing.T) {
		engine, job := script(t, "sleep 4711 & while :; do echo x; sleep 0.1; done")
		job.Deadline, job.Stall = time.Second, 500*time.Millisecond
		r, err := engine.Run(context.Background(), job)
		require.NoError(t, err)
		assert.Equal(t, Deadline, r.End)
		gone(t, "sleep 4711")
	})
	t.Run("stalled", func(t *testing.T) {
		engine, job := script(t, "echo x; sleep 4712")
		job.Stall = 300 * time.Millisecond
		r, err := engine.Run(context.Background(), job)
		require.NoError(t, err)
		assert.Equal(t, Stalled, r.End)
		gone(t, "sleep 4712")
	})
	t.Run("a gigabyte of output", func(t *testing.T) {
		engine, job := script(t, "yes | head -c 1000000000; echo splitadd-end; sleep 4713")
		r, err := engine.Run(context.Background(), job)
		require.NoError(t, err)
		assert.Equal(t, TooMuch, r.End)
		assert.Len(t, r.Output, MaxOutput)
		assert.Less(t, r.Seconds, 20.0)
		gone(t, "sleep 4713")
	})
	t.Run("a child that keeps the output open", func(t *testing.T) {
		engine, job := script(t, "sleep 4714 & exit 0")
		job.Deadline = time.Second
		_, err := engine.Run(context.Background(), job)
		require.NoError(t, err)
		gone(t, "sleep 4714")
	})
	t.Run("interrupted", func(t *testing.T) {
		engine, job := script(t, "sleep 4715")
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		_, err := engine.Run(ctx, job)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		gone(t, "sleep 4715")
	})
	t.Run("no deadline", func(t *testing.T) {
		_, err := new(Engine).Run(context.Background(), Job{Path: "/bin/true"})
		require.Error(t, err)
	})
	t.Run("no guest", func(t *testing.T) {
		_, err := new(Engine).Run(context.Background(), Job{Path: "/nonexistent/guest", Deadline: time.Second})
		require.Error(t, err)
	})
}

// TestMemory bounds a process that does not want to end.
func TestMemory(t *testing.T) {
	if _, err := os.Stat("/proc/self/limits"); err != nil {
		t.Skip("only Linux bounds another process's memory")
	}
	engine, job := script(t, "sleep 0.2; cat /proc/self/limits")
	r, err := engine.Run(context.Background(), job)
	require.NoError(t, err)
	assert.Regexp(t, `Max data size +`+strconv.Itoa(maxMemory), string(r.Output))
	assert.Regexp(t, `Max core file size +0 `, string(r.Output))
}

// asHost is set in the environment of this test when it runs as a host that is
// to be killed.
const asHost = "SPLITADD_TEST_HOST"

func TestMain(m *testing.M) {
	if guest := os.Getenv(asHost); guest != "" {
		_, err := new(Engine).Run(context.Background(), Job{Path: guest, Deadline: time.Minute})
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestHostIsKilled kills a host with a signal that it cannot see, and waits for
// its guest to go.
func TestHostIsKilled(t *testing.T) {
	if _, err := os.Stat("/proc/self/limits"); err != nil {
		t.Skip("only Linux ties a process's life to its parent's")
	}
	pidFile := filepath.Join(t.TempDir(), "pid")
	_, job := script(t, fmt.Sprintf("echo $$ > %s; exec sleep 4716", pidFile))
	host := exec.Command(os.Args[0])
	host.Env = append(os.Environ(), asHost+"="+job.Path)
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

func TestExposure(t *testing.T) {
	for output, want := range map[string]Exposure{
		"":                             {},
		"splitadd guest: begin a gc\n": {Began: true},
		"splitadd guest: begin a gc\nsplitadd guest: observed 3 calls 9 seconds 0.250\nsplitadd guest: observed 4 ca": {Began: true, Observations: 3, Calls: 9, Seconds: .25},
		"splitadd guest: observed -1 calls x seconds\n":                                                               {},
		"x splitadd guest: begin\n": {},
	} {
		assert.Equal(t, want, Result{Output: []byte(output)}.Exposure(), "%q", output)
	}
}

func FuzzExposure(f *testing.F) {
	f.Add([]byte("splitadd guest: begin a gc\nsplitadd guest: end 3 calls 9 seconds 0.250\n"))
	f.Fuzz(func(_ *testing.T, output []byte) { Result{Output: output}.Exposure() })
}

func TestFindEngine(t *testing.T) {
	emulator := func(body string) string {
		path := filepath.Join(t.TempDir(), "qemu")
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o700))
		return path
	}
	for answer, flag := range map[string]string{
		"qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)": "-singlestep",
		"qemu-aarch64 version 10.0.2 (Debian 1:10.0.2+ds-2)":         "-one-insn-per-tb",
	} {
		e, err := FindEngine(context.Background(), emulator("echo '"+answer+"'"))
		require.NoError(t, err)
		assert.True(t, e.Emulated())
		assert.Contains(t, e.Evidence, "emulated: qemu-aarch64 "+strings.Fields(answer)[2])
		assert.Equal(t, []string{e.emulator, flag, "guest", "-a"}, e.command(Job{Path: "guest", Args: []string{"-a"}, Raced: true}))
		assert.Equal(t, []string{e.emulator, "guest"}, e.command(Job{Path: "guest"}))
	}
	for _, bad := range []string{emulator("echo hello"), emulator("kill -9 $$"), "/nonexistent/qemu"} {
		_, err := FindEngine(context.Background(), bad)
		var hinted *Error
		require.ErrorAs(t, err, &hinted)
		assert.NotEmpty(t, hinted.Hint)
		assert.NotContains(t, err.Error(), "\n")
	}
	t.Setenv("PATH", t.TempDir())
	_, err := FindEngine(context.Background(), "")
	if err != nil { // not on a native machine
		require.ErrorIs(t, err, ErrNoEngine)
	}
}

func TestResolve(t *testing.T) {
	ctx := context.Background()
	local, err := Resolve(ctx, "local")
	require.NoError(t, err)
	require.Regexp(t, `^(go1\.|devel)`, local.Version)

	root, err := local.run(ctx, "/", "env", "GOROOT")
	require.NoError(t, err)
	tree, err := Resolve(ctx, strings.TrimSpace(root))
	require.NoError(t, err)
	require.Equal(t, local.Version, tree.Version)

	released, err := Resolve(ctx, "go1.23.4")
	require.NoError(t, err)
	require.Equal(t, "go1.23.4", released.Version)

	broken := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(broken, "bin"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(broken, "bin", "go"), []byte("#!/bin/sh\necho no such thing >&2; exit 2\n"), 0o700))
	for name, want := range map[string]string{
		"go1.2.999":    `toolchain go1.2.999: `,
		"/nonexistent": `toolchain /nonexistent: neither a release nor a GOROOT: no bin/go in it`,
		t.TempDir():    `no bin/go in it`,
		broken:         `no such thing`,
	} {
		_, err := Resolve(ctx, name)
		var hinted *Error
		require.ErrorAs(t, err, &hinted, name)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "\n")
		require.NotEmpty(t, hinted.Hint)
	}
}

// TestBuild builds with GOFLAGS that no build of ours may see, twice, and at
// the same time.
func TestBuild(t *testing.T) {
	t.Setenv("GOFLAGS", "-tags=nonexistent -mod=vendor")
	t.Setenv("GOOS", "plan9")
	local, err := Resolve(context.Background(), "local")
	require.NoError(t, err)
	target := Target{"linux", "arm64"}
	dir := t.TempDir()
	errs := make(chan error)
	for i := range 3 {
		go func() { errs <- Build(context.Background(), local, target, filepath.Join(dir, fmt.Sprint(i))) }()
	}
	for range 3 {
		require.NoError(t, <-errs)
	}
	first, err := os.ReadFile(filepath.Join(dir, "0"))
	require.NoError(t, err)
	second, err := os.ReadFile(filepath.Join(dir, "1"))
	require.NoError(t, err)
	require.Equal(t, len(first), len(second))

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, Build(ctx, local, target, filepath.Join(dir, "late")), context.Canceled)
	require.NoFileExists(t, filepath.Join(dir, "late"))
}

// TestInGroup shows that a build's own children go with it.
func TestInGroup(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "sleep 4717 & echo started; wait")
	inGroup(cmd)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	cancel()
	require.Error(t, cmd.Wait())
	gone(t, "sleep 4717")
	require.Equal(t, "SIGKILL", signalName(cmd.ProcessState))
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}
