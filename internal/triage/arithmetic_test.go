package triage

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/crash"
	"splitadd/internal/lab"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/patch"
	"splitadd/internal/window"
)

// chained is a program that dies in a window of main.first or main.second. Its callers have
// frames of known size. The window is reached in a goroutine or, as in golang/go#69389, while
// the package is initialized.
const chained = `package main

import (
	"os"
	"runtime"
)

var never, count = false, 0

//go:noinline
func first(n int) int {
	if never {
		var room [70000]byte
		room[n&0xffff] = byte(n)
		n += int(room[(n+7)&0xffff])
	}
	return n + 1
}

//go:noinline
func second(n int) int {
	if never {
		var room [65560]byte
		room[n&0xffff] = byte(n)
		n += int(room[(n+7)&0xffff])
	}
	return n + 1
}

//go:noinline
func middle(n int, f func(int) int) int {
	var room [20]int
	for i := range room {
		room[i] = f(n + i)
	}
	return room[n%20] + second(room[n%7])
}

//go:noinline
func outer(n int) int {
	var room [40]int
	for i := range room {
		room[i] = middle(i, first)
	}
	return room[n%40]
}

var initialized = func() int {
	if len(os.Args) > 1 {
		go collect()
		for {
			count = second(count)
		}
	}
	return 1
}()

func collect() {
	for {
		runtime.GC()
	}
}

func main() {
	go func() {
		for {
			count += outer(initialized)
		}
	}()
	collect()
}
`

// TestArithmetic gives only the unwinder's numbers, as in golang/go#69389. Few windows fit
// them. The window in which the process died is one of these, with the functions that called
// it.
func TestArithmetic(t *testing.T) {
	ctx := context.Background()
	e, err := lab.FindEngine(ctx, lab.Choice{Name: "user"})
	require.NoError(t, err)
	for _, release := range []string{"go1.21.13", "go1.27.4"} {
		if labtest.LeftOut(t, release) {
			continue
		}
		toolchain, err := lab.Resolve(ctx, release)
		require.NoError(t, err)
		path, err := lab.BuildMain(ctx, toolchain, e.Target, []byte(chained), t.TempDir())
		require.NoError(t, err)
		b, err := Open(context.Background(), path)
		require.NoError(t, err)
		defer b.Close()
		for _, c := range []chainedCase{
			{"main.first", "", "main.middle", "main.main.func1"},
			{"main.second", "", "main.middle", "main.main.func1"},
			{"main.second", "init", "", "runtime.main"}, // a function literal, whose name changed with the releases
		} {
			t.Run(release+"/"+c.function+" "+c.args, func(t *testing.T) { c.test(t, e, b) })
		}
	}
}

// A chainedCase is the function in whose window the program dies, the arguments of the program,
// and the first and last of the callers.
type chainedCase struct{ function, args, caller, root string }

func (c chainedCase) test(t *testing.T, e *lab.Engine, b *Binary) {
	var w *window.Window
	for i := range b.Windows {
		if b.Windows[i].Func == c.function && b.Windows[i].Class == window.SP {
			w = &b.Windows[i]
		}
	}
	require.NotNil(t, w)
	pinned := filepath.Join(t.TempDir(), "pinned")
	require.NoError(t, patch.Pin(b.file, w.PC, pinned))
	var logs []crash.Log
	var whole Verdict
	for range 5 { // until the log shows the window, as most do
		r, err := e.Run(context.Background(), lab.Job{Path: pinned, Args: strings.Fields(c.args), Deadline: time.Minute})
		require.NoError(t, err)
		logs = crash.Logs(r.Output)
		require.NotEmpty(t, logs)
		if whole = Log(logs[0], b); whole.Answer == SplitSP {
			break
		}
	}
	require.Equal(t, SplitSP, whole.Answer, "%s", logs[0].Text)
	assert.Contains(t, whole.Evidence[2], "are those of")

	log := logs[0]
	log.Text = log.Text[:strings.Index(string(log.Text), "\n\n")]
	require.Equal(t, 2, strings.Count(string(log.Text), "\n"), "%s", log.Text)
	v := Log(log, b)
	assert.Equal(t, Undecided, v.Answer)
	assert.Contains(t, v.Reason, "fit split SP")
	found := false
	for _, candidate := range v.Candidates {
		t.Log(candidate.Sum(), "=", candidate.Chain())
		if candidate.Window.PC == w.PC {
			found = true
			require.NotEmpty(t, candidate.Callers)
			assert.Contains(t, candidate.Callers[0].Func, c.caller)
			assert.Equal(t, c.root, candidate.Callers[len(candidate.Callers)-1].Func)
		}
	}
	assert.True(t, found, "%s", log.Text)
}

// TestPublicNumbers checks the sum for the numbers in golang/go#69389.
func TestPublicNumbers(t *testing.T) {
	c := Candidate{Window: window.Window{Func: "strings_test.init", Claimed: 131968, Actual: 131968 - 896}, Callers: []Caller{{"runtime.doInit1", 304}, {"runtime.main", 144}}}
	assert.Equal(t, "131072 + 304 + 144", c.Sum())
	assert.EqualValues(t, 0x40001c7fd0-0x40001a7e10, 131072+304+144)
}
