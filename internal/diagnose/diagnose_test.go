package diagnose

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/crash"
	"splitadd/internal/lab"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/lab/process"
	"splitadd/internal/survey"
	"splitadd/internal/trial"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

func diagnosed(t *testing.T, p Program) *Report {
	if p.Limit == 0 {
		p.Limit = time.Minute
	}
	r, err := Run(context.Background(), p, func(trial.Step) {})
	require.NoError(t, err)
	t.Logf("%s: %s", r.Conclusion, r.Confidence)
	return r
}

// TestDaemon diagnoses a program with a data race, which sometimes crashes it.
func TestDaemon(t *testing.T) {
	labtest.Long(t, "hundreds of runs of a daemon that seldom dies")
	dir := t.TempDir()
	build := func(out string, flags ...string) string {
		args := append(append([]string{"build", "-o", filepath.Join(dir, out)}, flags...), "testdata/daemon/main.go")
		text, err := exec.Command("go", args...).CombinedOutput()
		require.NoError(t, err, "%s", text)
		return filepath.Join(dir, out)
	}
	plain, race := build("plain"), build("race", "-race")
	r := diagnosed(t, Program{Command: []string{plain}, RaceBuild: race, Runs: 300})
	assert.Equal(t, "data race", r.Conclusion)
	n := r.count(WayPlain)
	assert.Greater(t, n.Deaths, 0, "about one run in thirty")
	assert.Less(t, n.Deaths, 100)
	assert.Equal(t, map[crash.Kind]int{crash.OtherGo: n.Deaths}, n.Kinds)
	assert.Contains(t, n.FirstDeath.Evidence, "nil pointer dereference")
	assert.Equal(t, 1, r.count(WayRaceDetector).Runs, "named at once")
	assert.Contains(t, r.count(WayRaceDetector).RaceReport, "main.go:")
	if r.count(WayPreemptOff).Deaths > 0 { // nearly always
		r := diagnosed(t, Program{Command: []string{plain}, Runs: 300})
		assert.Equal(t, "undecided", r.Conclusion)
		assert.NotContains(t, r.Confidence, "split")
	}

	strace, err := exec.LookPath("strace")
	if err == nil { // this program is for the host, so its scan does not matter
		hidden := diagnosed(t, Program{Command: []string{strace, "-f", "-o", "/dev/null", plain}, Runs: 30})
		t.Logf("under strace: %d of %d died", hidden.count(WayPlain).Deaths, hidden.count(WayPlain).Runs)
	}
}

// TestGuest diagnoses a victim as a user's program. As it is, it dies of the window.
// Without async preemption it lives.
func TestGuest(t *testing.T) {
	path := labtest.Guest(t, "go1.27.4")
	config := victim.Config{Victim: "leaf65568", Observer: "gc", Victims: 6, Procs: 7, For: 5 * time.Second, Polite: true}
	r := diagnosed(t, Program{Command: append([]string{path}, config.Args()...), Runs: 3})
	assert.Equal(t, "split SP", r.Conclusion)
	assert.Contains(t, r.Confidence, "certain: a crash log says that a goroutine was preempted at splitadd/internal/victim.leaf65568+")
	assert.Zero(t, r.count(WayPreemptOff).Deaths)
	assert.Contains(t, r.Engine, "qemu")
	assert.NotZero(t, r.Binary.Preemptible())

	if testing.Short() {
		return
	}
	clean := victim.Config{Victim: "leaf65536", Observer: "gc", Victims: 1, Observe: 3}
	r = diagnosed(t, Program{Command: append([]string{path}, clean.Args()...), Runs: 2, Choice: lab.Choice{Name: "vm"}})
	assert.Equal(t, "undecided", r.Conclusion)
	assert.Contains(t, r.Engine, "qemu-system-aarch64")
	assert.Zero(t, r.count(WayPlain).Deaths+r.count(WayPlain).Failed)
}

// TestUndecided diagnoses programs that do not die, or die for another reason.
func TestUndecided(t *testing.T) {
	r := diagnosed(t, Program{Command: []string{"true"}, Runs: 20})
	assert.Equal(t, "undecided", r.Conclusion)
	assert.Contains(t, r.Confidence, "it never died in 20 runs: the chance of a death is below 0.14 (95 %)")
	r = diagnosed(t, Program{Command: []string{"false"}, Runs: 3})
	assert.Equal(t, "undecided", r.Conclusion)
	assert.Equal(t, 3, r.count(WayPlain).Failed)
	r = diagnosed(t, Program{Command: []string{"sleep", "10"}, Runs: 1, Limit: 100 * time.Millisecond})
	assert.Equal(t, 1, r.count(WayPlain).Hung)
	r = diagnosed(t, Program{Command: []string{"sh", "-c", "kill -SEGV $$"}, Runs: 3})
	assert.Equal(t, "undecided", r.Conclusion)
	assert.Contains(t, r.Confidence, "it also dies with async preemption off (3 of 3)")
	_, err := Run(context.Background(), Program{Command: []string{"/nonexistent"}, Runs: 1, Limit: time.Second}, func(trial.Step) {})
	require.Error(t, err)
}

// TestUserProgram diagnoses programs that splitadd must not disturb: one that prints much,
// one that leaves a child in another session, and one that needs its own limits.
func TestUserProgram(t *testing.T) {
	r := diagnosed(t, Program{Command: []string{"sh", "-c", "yes | head -c 30000000"}, Runs: 3})
	c := r.count(WayPlain)
	assert.Equal(t, []int{3, 0, 0, 0, 3}, []int{c.Runs, c.Deaths, c.Failed, c.Hung, c.Cut})
	assert.Contains(t, r.Confidence, "it never died in 3 runs")

	if setsid, err := exec.LookPath("setsid"); err == nil {
		begin := time.Now()
		r = diagnosed(t, Program{Command: []string{"sh", "-c", setsid + " sleep 30 & exit 0"}, Runs: 1, Limit: 20 * time.Second})
		assert.Zero(t, r.count(WayPlain).Hung)
		assert.Less(t, time.Since(begin), 10*time.Second)
	}

	own, err := exec.Command("sh", "-c", "ulimit -d; ulimit -c; echo $HOME").Output()
	require.NoError(t, err)
	r = diagnosed(t, Program{Command: []string{"sh", "-c", `test "$(sleep 0.2; ulimit -d; ulimit -c; echo $HOME)" = "$0"`, strings.TrimSpace(string(own))}, Runs: 1})
	assert.Zero(t, r.count(WayPlain).Failed, "other limits than its own")
	assert.Contains(t, r.Limits, "killed after 1m0s")
}

// TestAdd shows that a SIGKILL from splitadd does not count as the program's death,
// whatever its output shows.
func TestAdd(t *testing.T) {
	crashed := []byte("fatal error: all goroutines are asleep - deadlock!\n")
	for _, end := range []process.End{process.Deadline, process.TooMuchOutput} {
		c := Count{Kinds: map[crash.Kind]int{}}
		c.add(process.Result{End: end, Code: -1, Signal: "killed", Output: crashed}, nil)
		assert.Equal(t, []int{1, 0, 0, 1}, []int{c.Runs, c.Deaths, c.Failed, c.Hung}, end)
	}
	c := Count{Kinds: map[crash.Kind]int{}}
	c.add(process.Result{End: process.Exited, Code: -1, Signal: "killed"}, nil)
	assert.Equal(t, 1, c.Deaths, "killed by another process")
}

// TestConclude states the conclusions from counts that would take a test hours to
// measure.
func TestConclude(t *testing.T) {
	r := Report{Counts: []Count{
		{Way: WayPlain, Runs: 100, Deaths: 8, Kinds: map[crash.Kind]int{crash.Unwind: 8}},
		{Way: WayPreemptOff, Runs: 100},
	}}
	r.conclude()
	assert.Equal(t, "undecided", r.Conclusion, "no binary to scan")
	assert.True(t, strings.Contains(r.Confidence, "too few to tell"))

	// A pointer that is lost corrupts memory; it does not stop the unwinder.
	lost := survey.Function{Windows: []survey.Window{{Window: window.Window{Class: window.Pointer, Preemptible: true}}}}
	r.Binary = &survey.Binary{Functions: []survey.Function{lost}}
	r.conclude()
	assert.Equal(t, "undecided", r.Conclusion)
	assert.Contains(t, r.Confidence, "too few to tell", "deaths of the unwinder")
	r.Counts[0].Kinds = map[crash.Kind]int{crash.OtherGo: 8}
	r.conclude()
	assert.Equal(t, "undecided", r.Conclusion)
	assert.Contains(t, r.Confidence, "looks like lost pointer: 8 of 100 runs died, 0 of 100 with async preemption off (p = 0.0034)")
	assert.Contains(t, r.Confidence, "the collectors of go1.25.13, go1.26.6 and later scan R30")
	r.Counts[1].Deaths = 1
	r.conclude()
	assert.Contains(t, r.Confidence, "that death is not this defect")
}

// TestFisher compares the p-value with that of Fisher's own example, a lady tasting tea.
func TestFisher(t *testing.T) {
	assert.InDelta(t, 1.0/70, fisher(4, 4, 0, 4), 1e-9)
	assert.InDelta(t, 17.0/70, fisher(3, 4, 1, 4), 1e-9)
	assert.InDelta(t, 1, fisher(0, 10, 0, 10), 1e-9)
	assert.InDelta(t, 1, fisher(0, 10, 3, 10), 1e-9)
}
