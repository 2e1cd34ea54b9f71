package triage

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/patch"
	"splitadd/internal/trial"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// A corpus is a guest, and the core file that a pinned copy of it left, with
// what it printed.
type remains struct {
	guest, core, pinned string
	window              window.Window
	log                 []byte
}

// pin runs a guest pinned in a victim's window of a class, and returns what it
// left, on an engine.
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
	result, err := e.Run(context.Background(), job)
	require.NoError(t, err)
	r.log = result.Output
	_, err = e.Cores(dir)
	require.NoError(t, err)
	pattern := "*"
	if e.Name == "user" { // beside its own
		pattern = "qemu_*.core"
	}
	cores, err := filepath.Glob(filepath.Join(dir, pattern))
	require.NoError(t, err)
	require.Len(t, cores, 1)
	r.core = cores[0]
	return r
}

// TestCoreQEMU reads core files that QEMU's user-mode emulation wrote.
func TestCoreQEMU(t *testing.T) {
	e, err := lab.FindEngine(context.Background(), lab.Choice{Name: "user"})
	require.NoError(t, err)
	for _, c := range []struct {
		release, victim string
		class           window.Class
	}{
		{"go1.18.10", "leaf65552", window.SP},
		{"go1.23.4", "leaf65552", window.SP},
		{"go1.23.4", "nonleaf131088", window.SP},
		{"go1.27.4", "leaf65552", window.SP},
		{"go1.27.4", "leaf69632", window.FP},
	} {
		t.Run(c.release+"/"+c.victim, func(t *testing.T) {
			r := pin(t, e, c.release, c.victim, c.class)
			b, err := Open(r.guest)
			require.NoError(t, err)
			defer b.Close()
			v, err := Core(context.Background(), r.core, b)
			require.NoError(t, err)
			info, _ := os.Stat(r.core)
			v.Text = ""
			t.Logf("%d bytes\n%+v", info.Size(), v)
			assert.Equal(t, Answer("split "+c.class), v.Answer)
			for _, e := range v.Evidence {
				t.Log(e)
			}
		})
	}
}
