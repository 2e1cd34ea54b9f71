package triage

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/core"
	"splitadd/internal/crash"
	"splitadd/internal/lab"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/patch"
	"splitadd/internal/trial"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// remains are what a guest leaves that dies in a window: the core file of its pinned copy, and
// what that printed.
type remains struct {
	guest, core, pinned string
	window              window.Window
	log                 []byte
}

// pin runs a copy of a guest that is pinned in a victim's window of a class, and returns what
// it leaves.
func pin(t *testing.T, e *lab.Engine, release, name string, class window.Class) (r remains) {
	t.Helper()
	r.guest = labtest.Guest(t, release)
	guest, err := trial.Open(r.guest, e)
	require.NoError(t, err)
	t.Cleanup(func() { guest.Close() })
	for _, w := range guest.Preemptible(name) {
		if w.Class == class {
			r.window = w
		}
	}
	require.NotZero(t, r.window.PC)
	r.pinned = filepath.Join(t.TempDir(), "pinned")
	require.NoError(t, patch.Pin(guest.File, r.window.PC, r.pinned))
	config := victim.Config{Victim: name, Observer: trial.Observer(class), Victims: 1, Procs: 3, Observe: 20}
	dir := t.TempDir()
	job := lab.Job{Path: r.pinned, Args: config.Args(), Env: []string{"GOTRACEBACK=crash"}, Core: true, Deadline: time.Minute}
	if e.Name != "vm" {
		job.Dir = dir
	}
	pattern := "*"
	if e.Name == "user" { // QEMU also writes a core file of itself
		pattern = "qemu_*.core"
	}
	// On a busy machine the guest may die again while it dies, and leave no core file.
	for range 3 {
		result, err := e.Run(context.Background(), job)
		require.NoError(t, err)
		r.log = result.Output
		_, err = e.Cores(dir)
		require.NoError(t, err)
		cores, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		if len(cores) > 0 {
			require.Len(t, cores, 1)
			r.core = cores[0]
			return r
		}
		t.Logf("no core file: %s, %q, status %d\n%s", result.End, result.Signal, result.Code, result.Output)
	}
	require.Fail(t, "no core file in three runs")
	return r
}

// TestCore reads core files that QEMU and Linux wrote, and the logs of the same deaths. It
// compares what it reads with what gdb and dlv read.
func TestCore(t *testing.T) {
	for _, engine := range []string{"user", "vm"} {
		t.Run(engine, func(t *testing.T) {
			e, err := lab.FindEngine(context.Background(), lab.Choice{Name: engine})
			require.NoError(t, err)
			defer e.Close()
			for _, c := range []struct {
				release, victim string
				class           window.Class
				everywhere      bool
			}{
				{"go1.18.10", "leaf65552", window.SP, false},
				{"go1.23.4", "leaf65552", window.SP, false},
				{"go1.23.4", "nonleaf131088", window.SP, false},
				{"go1.27.4", "leaf65552", window.SP, true},
				{"go1.27.4", "leaf69632", window.FP, true},
			} {
				if labtest.LeftOut(t, c.release) || testing.Short() && c.victim == "leaf65552" && c.release == "go1.23.4" {
					continue
				}
				if engine == "user" || c.everywhere {
					t.Run(c.release+"/"+c.victim, func(t *testing.T) { testCore(t, pin(t, e, c.release, c.victim, c.class)) })
				}
			}
		})
	}
}

// testCore compares the verdicts on a core file and on a log with the window.
func testCore(t *testing.T, r remains) {
	b, err := Open(context.Background(), r.guest)
	require.NoError(t, err)
	defer b.Close()
	v, err := Core(context.Background(), r.core, b)
	require.NoError(t, err)
	assert.Equal(t, Answer("split "+r.window.Class), v.Answer, "%+v", v)
	require.NotNil(t, v.Window)
	assert.Equal(t, r.window.PC, v.Window.PC)
	assert.Len(t, v.Evidence, 3)
	for _, line := range v.Evidence {
		t.Log(line)
	}

	logs := crash.Logs(r.log)
	require.NotEmpty(t, logs)
	if v := Log(logs[0], b); v.Answer != Undecided { // not every log shows the window
		assert.Equal(t, Answer("split "+r.window.Class), v.Answer, "%s", r.log)
		assert.Equal(t, r.window.PC, v.Window.PC)
	}

	f, err := core.Open(r.core)
	require.NoError(t, err)
	defer f.Close()
	c := coreSearch{file: f, binary: b}
	require.True(t, c.prepare())
	found, err := c.findInterrupted(context.Background())
	require.NoError(t, err)
	require.Len(t, found, 1)
	debuggers(t, r, b, f, found[0])

	v, err = Core(context.Background(), r.core, nil)
	require.NoError(t, err)
	assert.Equal(t, Undecided, v.Answer)
}

// debuggers compares what was read of a core file with what gdb and dlv read.
func debuggers(t *testing.T, r remains, b *Binary, f *core.File, i Interrupted) {
	run := func(input, name string, args ...string) string {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Env, cmd.Stdin = append(os.Environ(), "HOME="+t.TempDir()), strings.NewReader(input)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	out := run("", "gdb-multiarch", "-nx", "-batch", "-ex", "file "+r.pinned, "-ex", "core-file "+r.core,
		"-ex", "thread apply all -q info registers pc sp x29 x30", "-ex", "thread apply all info registers pc", "-ex", fmt.Sprintf("x/2gx %#x", i.PCAt))
	for _, thread := range f.Threads {
		registers := fmt.Sprintf(`pc +%#x .*\nsp +%#x .*\nx29 +%#x .*\nx30 +%#x `, thread.PC, thread.SP, thread.X[29], thread.X[30])
		assert.Regexp(t, registers, out)
		assert.Regexp(t, fmt.Sprintf(`LWP %d\):\npc +%#x `, thread.ID, thread.PC), out)
	}
	next, _ := f.Word(i.PCAt + 8)
	assert.Regexp(t, fmt.Sprintf(`%#x:\s+0x0*%x\s+0x0*%x\n`, i.PCAt, i.Window.PC, next), out)

	dlv, err := filepath.Abs("../../tools/bin/dlv")
	require.NoError(t, err)
	out = run("threads\ngoroutines\nexit\n", dlv, "core", "--check-go-version=false", "--allow-non-terminal-interactive=true", r.pinned, r.core)
	for _, thread := range f.Threads {
		if _, ok := b.table.PCToFunc(thread.PC); ok { // dlv does not know the code of the kernel's vdso
			assert.Regexp(t, fmt.Sprintf(`Thread %d at %#x `, thread.ID, thread.PC), out)
		}
	}
	where := fmt.Sprintf(`%s \(%#x\)`, regexp.QuoteMeta(i.Window.Func), i.Window.PC)
	thread := `.*\(thread [0-9]+\)`
	if i.Window.Class == window.FP { // the thread that runs the goroutine died, and dlv shows where
		where = thread
	} else { // if its thread has not parked it yet, dlv shows where the thread is
		where = `(` + where + `|` + thread + `)`
	}
	assert.Regexp(t, fmt.Sprintf(`Goroutine %d - User: \S+ %s`, i.ID, where), out)
}

// TestCoreOthers has core files of other programs, and of a process that died of something else.
func TestCoreOthers(t *testing.T) {
	ctx := context.Background()
	e, err := lab.FindEngine(ctx, lab.Choice{Name: "user"})
	require.NoError(t, err)
	zoo := build(t, "zoo", "arm64", "")
	b, err := Open(context.Background(), zoo)
	require.NoError(t, err)
	defer b.Close()
	for way, want := range map[string]string{"panic": "not this", "quit": "not this", "return-garbage": "undecided", "return-zero": "undecided"} {
		dir := t.TempDir()
		r, err := e.Run(ctx, lab.Job{Path: zoo, Args: []string{way, "crash"}, Dir: dir, Core: true, Deadline: time.Minute})
		require.NoError(t, err)
		cores, err := filepath.Glob(filepath.Join(dir, "qemu_*.core"))
		require.NoError(t, err)
		require.Len(t, cores, 1, "%s: %s", way, r.Output)
		v, err := Core(ctx, cores[0], b)
		require.NoError(t, err)
		assert.Equal(t, Answer(want), v.Answer, "%s: %+v", way, v)
		t.Log(way, v.Answer, v.Reason, v.Evidence)
	}
	// The core file of another binary, and one that is cut off.
	dir := t.TempDir()
	r, err := e.Run(ctx, lab.Job{Path: zoo, Args: []string{"panic", "crash"}, Dir: dir, Core: true, Deadline: time.Minute})
	require.NoError(t, err)
	cores, err := filepath.Glob(filepath.Join(dir, "qemu_*.core"))
	require.NoError(t, err)
	require.Len(t, cores, 1, "%s", r.Output)
	guest, err := Open(context.Background(), labtest.Guest(t, "go1.27.4"))
	require.NoError(t, err)
	defer guest.Close()
	v, err := Core(ctx, cores[0], guest)
	require.NoError(t, err)
	assert.Equal(t, Undecided, v.Answer)
	assert.Contains(t, v.Reason, "from another program")
	info, err := os.Stat(cores[0])
	require.NoError(t, err)
	require.NoError(t, os.Truncate(cores[0], info.Size()/2))
	v, err = Core(ctx, cores[0], b)
	require.NoError(t, err)
	assert.Equal(t, Undecided, v.Answer)
	assert.Contains(t, v.Reason, "cut off")

	// A core file of the host is what QEMU leaves of itself.
	if runtime.GOARCH != "arm64" {
		host := filepath.Join(t.TempDir(), "core")
		require.NoError(t, os.WriteFile(host, header64(elf.EM_X86_64), 0o600))
		v, err := Core(ctx, host, b)
		require.NoError(t, err)
		assert.Equal(t, NotThis, v.Answer)
		assert.Contains(t, v.Evidence[0], "EM_X86_64")
	}
}

// header64 returns a core file that has only a header.
func header64(m elf.Machine) []byte {
	h := elf.Header64{Type: uint16(elf.ET_CORE), Machine: uint16(m), Phentsize: 56}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, h)
	return b.Bytes()
}
