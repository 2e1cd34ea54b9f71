package vm

import (
	"bytes"
	"context"
	"debug/elf"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/hint"
	"splitadd/internal/lab/process"
	"splitadd/internal/lab/vm/agent"
)

var withTools = flag.Bool("tools", false, "fetch tools of Debian's and run them in the virtual machine")

// options returns the options to boot with an init that is built from this source.
func options(t *testing.T) Options {
	return Options{BuildInit: func(ctx context.Context, out string) error {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", out, "./agent/init")
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
		text, err := cmd.CombinedOutput()
		assert.NoError(t, err, "%s", text)
		return err
	}}
}

// boot boots a virtual machine with tools.
func boot(t *testing.T, tools ...string) *Machine {
	begin := time.Now()
	o := options(t)
	o.Tools = tools
	m, err := Boot(context.Background(), o)
	require.NoError(t, err)
	t.Cleanup(m.Close) // twice does no harm
	t.Logf("booted in %.1f s: %s", time.Since(begin).Seconds(), m.Evidence)
	return m
}

// program builds a program of one file for the virtual machine.
func program(t *testing.T, body string) string {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n"+body), 0o600))
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "program"), filepath.Join(dir, "main.go"))
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return filepath.Join(dir, "program")
}

// TestVM runs jobs that end in every way in one virtual machine, and closes it.
func TestVM(t *testing.T) {
	m := boot(t)
	ctx := context.Background()
	assert.Regexp(t, `qemu-system-aarch64 [0-9.]+, (TCG|KVM), cpu \S+, Linux \S+, cpu part \S+ of implementer \S+, [0-9]+ cpus, on `, m.Evidence)
	path := program(t, `
import ("fmt"; "os"; "syscall"; "time")
func main() {
	switch os.Args[1] {
	case "exit": fmt.Println(os.Getenv("A")); fmt.Fprintln(os.Stderr, "err"); os.Exit(3)
	case "signal": syscall.Kill(os.Getpid(), syscall.SIGKILL); time.Sleep(time.Minute)
	case "sleep": fmt.Println("x"); time.Sleep(time.Hour)
	case "write": for { fmt.Println("0123456789012345678901234567890123456789") }
	}
}`)
	run := func(what string, deadline time.Duration) process.Result {
		r, err := m.Run(ctx, process.Job{Command: []string{path, what}, Env: []string{"A=b"}, Deadline: deadline}, 0, what == "exit")
		require.NoError(t, err, what)
		return r
	}
	r := run("exit", time.Minute)
	assert.Equal(t, []any{process.Exited, 3, "b\nerr\n"}, []any{r.End, r.Code, string(r.Output)})
	r = run("signal", time.Minute)
	assert.Equal(t, []any{process.Exited, -1, "killed"}, []any{r.End, r.Code, r.Signal})
	assert.Equal(t, process.Deadline, run("sleep", time.Second).End)
	r = run("write", time.Minute)
	assert.Equal(t, process.TooMuchOutput, r.End)
	assert.Len(t, r.Output, process.MaxOutput)

	_, err := m.Run(ctx, process.Job{Command: []string{path}}, 0, false)
	require.Error(t, err, "no deadline")
	_, err = m.Run(ctx, process.Job{Command: []string{"/nonexistent/guest"}, Deadline: time.Second}, 0, false)
	require.Error(t, err, "no such file here")
	_, err = m.Run(ctx, process.Job{Command: []string{"/nonexistent/tool", path}, Deadline: time.Second}, 1, false)
	require.ErrorContains(t, err, "in the virtual machine: ")
	for i := range maxGuests + 2 { // it forgets the oldest and gets it again
		other := filepath.Join(t.TempDir(), "guest")
		require.NoError(t, os.WriteFile(other, []byte{byte(i)}, 0o600))
		_, err := m.put(other)
		require.NoError(t, err)
	}
	assert.Len(t, m.files, maxGuests)
	assert.Equal(t, 3, run("exit", time.Minute).Code)

	within, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	_, err = m.Run(within, process.Job{Command: []string{path, "sleep"}, Deadline: time.Minute}, 0, false)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	<-m.ended
}

// TestVMTools runs a guest under tools from Debian, and copies a core file that Linux
// wrote to the host.
func TestVMTools(t *testing.T) {
	if !*withTools {
		t.Skip("fetches 50 MB of packages: make test-vm")
	}
	m := boot(t, "gdb-minimal", "strace", "linux-perf")
	ctx := context.Background()
	path := program(t, `
import "runtime"
func main() { for i := 0; i < 10; i++ { runtime.GC() }; panic("over") }`)
	run := func(job process.Job) string {
		job.Command, job.Deadline = append(job.Command, path), 2*time.Minute
		r, err := m.Run(ctx, job, len(job.Command)-1, false)
		require.NoError(t, err)
		return string(r.Output)
	}
	assert.Regexp(t, `(?s)rt_sigaction\(.*panic: .*\+\+\+ exited with 2 \+\+\+`, run(process.Job{Command: []string{"strace", "-f"}}))
	out := run(process.Job{Command: []string{"gdb", "-q", "-batch", "-ex", "set startup-with-shell off", "-ex", "break main.main", "-ex", "run", "-ex", "info registers sp", "--args"}})
	assert.Regexp(t, `(?s)Breakpoint 1, main\.main.*sp +0x[0-9a-f]+`, out)
	assert.Regexp(t, `(?s)[0-9]+ +cycles.*[0-9]+ +context-switches`, run(process.Job{Command: []string{"perf", "stat", "-e", "cycles,context-switches"}}))

	dir := t.TempDir()
	run(process.Job{Env: []string{"GOTRACEBACK=crash"}})
	cores, err := m.Cores(dir)
	require.NoError(t, err)
	assert.Empty(t, cores, "a guest that may not leave a core file")
	run(process.Job{Env: []string{"GOTRACEBACK=crash"}, Core: true})
	cores, err = m.Cores(dir)
	require.NoError(t, err)
	require.Len(t, cores, 1)
	core, err := elf.Open(cores[0])
	require.NoError(t, err)
	defer core.Close()
	assert.Equal(t, []any{elf.ET_CORE, elf.EM_AARCH64}, []any{core.Type, core.Machine})
	cores, err = m.Cores(t.TempDir())
	require.NoError(t, err)
	assert.Empty(t, cores, "left in the machine")
}

// TestVMFails shows that there is an error with the console's last lines if a machine
// panics, hangs or is killed.
func TestVMFails(t *testing.T) {
	if testing.Short() {
		t.Skip("long: four boots: make test-all")
	}
	ctx := context.Background()
	path := program(t, `
import "time"
func main() { time.Sleep(time.Hour) }`)
	job := process.Job{Command: []string{path}, Deadline: 2 * time.Second}
	t.Run("panic", func(t *testing.T) {
		m := boot(t)
		m.mu.Lock()
		_, err := m.exchange(agent.Request{Op: agent.OpPut, Path: "/proc/sysrq-trigger", Size: 1}, strings.NewReader("c"), 0, io.Discard)
		m.mu.Unlock()
		require.ErrorContains(t, err, "Kernel panic - not syncing: sysrq triggered crash")
		_, err = m.Run(ctx, job, 0, false)
		require.ErrorContains(t, err, "Kernel panic", "it does not come back")
	})
	t.Run("hang", func(t *testing.T) {
		m := boot(t)
		m.patience = time.Second
		time.AfterFunc(time.Second, func() { assert.NoError(t, m.monitorCommand("stop", map[string]any{})) })
		_, err := m.Run(ctx, job, 0, false)
		require.ErrorContains(t, err, "i/o timeout")
	})
	t.Run("killed", func(t *testing.T) {
		m := boot(t)
		time.AfterFunc(time.Second, m.kill)
		_, err := m.Run(ctx, job, 0, false)
		require.ErrorContains(t, err, "virtual machine: ")
	})
	t.Run("no kernel", func(t *testing.T) {
		o := options(t)
		o.Kernel = t.TempDir()
		_, err := Boot(ctx, o)
		var hinted *hint.Error
		require.ErrorAs(t, err, &hinted)
		require.ErrorContains(t, err, "0 files boot/vmlinuz-* in it: want one")
	})
	t.Run("a kernel that is none", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(dir, "boot"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "boot", "vmlinuz-1"), bytes.Repeat([]byte{0}, 1<<16), 0o600))
		within, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		o := options(t)
		o.Kernel = dir
		_, err := Boot(within, o)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// TestBoots boots again and again, in parallel with other tests. While the driver does
// not know yet that the other end of the port is open, init must wait.
func TestBoots(t *testing.T) {
	if testing.Short() {
		t.Skip("long: three boots: make test-all")
	}
	for range 3 {
		boot(t).Close()
	}
}
