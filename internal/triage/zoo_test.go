package triage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"splitadd/internal/lab"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/lab/process"
)

// What the ways of the zoo are: where nothing is said, anything but a split.
var zooAnswers = map[string]string{
	"panic":      `^not this: a panic$`,
	"nil":        `^not this: a panic$`,
	"index":      `^not this: a panic$`,
	"divide":     `^not this: a panic$`,
	"deadlock":   `^not this: all goroutines are asleep - deadlock!$`,
	"goexit":     `^not this: no goroutines \(main called runtime.Goexit\) - deadlock!$`,
	"map-writes": `^not this: concurrent map `,
	"unlock":     `^not this: sync: unlock of unlocked mutex$`,
	"overflow":   `^not this: stack overflow$`,
	"threads":    `^not this: thread exhaustion$`,
	"memory":     `^not this: out of memory$`,
	"quit":       `^not this: SIGQUIT: a dump that somebody asked for$`,
	"abort":      `^not this: ended by a signal$`,
	"kill":       `^undecided: no crash of a Go program is in it$`,
	"exit":       `^undecided: no crash of a Go program is in it$`,
	"illegal":    `^not this: an illegal instruction$`,
	"cgo-fault":  `^not this: a signal in C code$`,
	"cgo-abort":  `^not this: a signal in C code$`,
	"cgo-":       `^not this: `,
	"return-":    `^(undecided: |not this: another architecture|not this: the stack of a goroutine that (was growing it|waited, which no preemption interrupted))`,
}

// build builds a program of testdata for an architecture; with a C compiler, if
// it needs one.
func build(t *testing.T, name, arch, compiler string) string {
	t.Helper()
	env, flags := []string{"GOARCH=" + arch}, []string(nil)
	if compiler != "" {
		env = append(env, "CGO_ENABLED=1", "CC="+compiler)
		flags = append(flags, "-ldflags=-linkmode=external -extldflags=-static")
	}
	return labtest.Build(t, filepath.Join("testdata", name), ".", env, flags...)
}

// zooWays are the ways to die that a program knows.
func zooWays(t *testing.T, name string) (ways []string) {
	source, err := os.ReadFile(filepath.Join("testdata", name, "main.go"))
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`(?m)^\t"([a-z-]+)": +func|^\t"([a-z-]+)": +[a-zA-Z]+,$`).FindAllStringSubmatch(string(source), -1) {
		ways = append(ways, m[1]+m[2])
	}
	require.NotEmpty(t, ways)
	return ways
}

// TestZoo has programs die in ways that are none of this defect's, on arm64 and
// on the host, some with the very texts: no answer is a split, with the binary and
// its windows at hand. The binary has a window.
func TestZoo(t *testing.T) {
	e, err := lab.FindEngine(context.Background(), lab.Choice{Name: "user"})
	require.NoError(t, err)
	zoo := build(t, "zoo", "arm64", "")
	type animal struct{ way, level, path, arch string }
	var animals []animal
	for _, c := range []struct{ name, arm64, host string }{
		{"zoo", zoo, build(t, "zoo", runtime.GOARCH, "")},
		{"cgozoo", build(t, "cgozoo", "arm64", "aarch64-linux-gnu-gcc"), build(t, "cgozoo", runtime.GOARCH, "gcc")},
	} {
		for _, way := range zooWays(t, c.name) {
			for _, level := range []string{"single", "all", "system"} {
				animals = append(animals, animal{way, level, c.arm64, "arm64"})
			}
			animals = append(animals, animal{way, "system", c.host, runtime.GOARCH})
		}
	}
	binaries := map[string]*Binary{}
	for _, a := range animals {
		if a.arch == "arm64" && binaries[a.path] == nil {
			binaries[a.path], err = Open(context.Background(), a.path)
			require.NoError(t, err)
			defer binaries[a.path].Close()
			require.NotEmpty(t, binaries[a.path].Windows)
		}
	}
	var mu sync.Mutex
	counts, crashes := map[string]int{}, 0
	group, ctx := errgroup.WithContext(context.Background())
	group.SetLimit(runtime.NumCPU())
	animals = labtest.Few(t, 5, animals)
	for _, a := range animals {
		group.Go(func() error {
			line := []string{a.path, a.way, a.level}
			var r process.Result
			var err error
			if a.arch == "arm64" {
				r, err = e.Run(ctx, lab.Job{Path: a.path, Args: line[1:], Deadline: time.Minute})
			} else {
				r, err = process.Run(ctx, process.Job{Command: line, Dir: t.TempDir(), Deadline: time.Minute})
			}
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			what := fmt.Sprintf("%s, %s, %s: %v", a.way, a.level, a.arch, r.End)
			assert.Equal(t, process.Exited, r.End, what)
			assert.False(t, r.Code == 0 || r.Code == 64, what)
			// The host's crashes, too, against the binary for arm64: somebody's mistake.
			b := binaries[a.path]
			if b == nil {
				b = binaries[zoo]
			}
			got := answers(t, r.Output, b)
			for _, answer := range got {
				counts[answer]++
				assert.False(t, strings.HasPrefix(answer, "split"), "%s: %s\n%s", what, answer, r.Output)
				for name, want := range zooAnswers {
					if a.way == name || strings.HasPrefix(a.way, name) && strings.HasSuffix(name, "-") {
						assert.Regexp(t, want, answer, "%s\n%s", what, r.Output)
					}
				}
			}
			if !slices.Contains(got, "undecided: no crash of a Go program is in it") {
				crashes++
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		t.Logf("%3d %s", counts[name], name)
	}
	t.Logf("%d crashes", crashes)
	assert.Greater(t, 10*crashes, 9*len(animals))
}
