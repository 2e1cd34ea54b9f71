package triage

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
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

// zooAnswers are patterns for the answers, by the way to die. A name that ends in "-" is a
// prefix. All other ways may have any answer except a split.
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
	"quit":       `^not this: SIGQUIT: somebody asked for a dump of the goroutines$`,
	"abort":      `^not this: ended by a signal$`,
	"kill":       `^undecided: it contains no crash of a Go program$`,
	"exit":       `^undecided: it contains no crash of a Go program$`,
	"illegal":    `^not this: an illegal instruction$`,
	"cgo-fault":  `^not this: a signal in C code$`,
	"cgo-abort":  `^not this: a signal in C code$`,
	"cgo-":       `^not this: `,
	"return-":    `^(undecided: |not this: another architecture|not this: (a goroutine that was growing its stack|the stack of a goroutine that was waiting))`,
}

// build builds a program in testdata for an architecture. If it needs a C compiler, compiler
// names it; otherwise compiler is "".
func build(t *testing.T, name, arch, compiler string) string {
	t.Helper()
	env, flags := []string{"GOARCH=" + arch}, []string(nil)
	if compiler != "" {
		env = append(env, "CGO_ENABLED=1", "CC="+compiler)
		flags = append(flags, "-ldflags=-linkmode=external -extldflags=-static")
	}
	return labtest.Build(t, filepath.Join("testdata", name), ".", env, flags...)
}

// zooWays returns the ways to die that a program in testdata has.
func zooWays(t *testing.T, name string) (ways []string) {
	source, err := os.ReadFile(filepath.Join("testdata", name, "main.go"))
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`(?m)^\t"([a-z-]+)": +func|^\t"([a-z-]+)": +[a-zA-Z]+,$`).FindAllStringSubmatch(string(source), -1) {
		ways = append(ways, m[1]+m[2])
	}
	require.NotEmpty(t, ways)
	return ways
}

// An animal is a program of the zoo that dies in some way, with a level of GOTRACEBACK.
type animal struct{ way, level, path, arch string }

// zooAnimals returns all ways to die with all levels on arm64, and all ways with one level on
// the host. zoo is the path of the program of that name for arm64.
func zooAnimals(t *testing.T, zoo string) (animals []animal) {
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
	return animals
}

// die runs the animal and returns what it printed.
func (a animal) die(ctx context.Context, t *testing.T, e *lab.Engine) (r process.Result, err error) {
	line := []string{a.path, a.way, a.level}
	if a.arch == "arm64" {
		return e.Run(ctx, lab.Job{Path: a.path, Args: line[1:], Deadline: time.Minute})
	}
	return process.Run(ctx, process.Job{Command: line, Dir: t.TempDir(), Deadline: time.Minute})
}

// check checks the answers on what the animal printed.
func (a animal) check(t *testing.T, r process.Result, got []string) {
	what := fmt.Sprintf("%s, %s, %s: %v", a.way, a.level, a.arch, r.End)
	assert.Equal(t, process.Exited, r.End, what)
	assert.False(t, r.Code == 0 || r.Code == 64, what)
	for _, answer := range got {
		assert.False(t, strings.HasPrefix(answer, "split"), "%s: %s\n%s", what, answer, r.Output)
		for name, want := range zooAnswers {
			if a.way == name || strings.HasPrefix(a.way, name) && strings.HasSuffix(name, "-") {
				assert.Regexp(t, want, answer, "%s\n%s", what, r.Output)
			}
		}
	}
}

// TestZoo has programs that die in ways other than this defect, on arm64 and on the host. Some
// print the same texts. The binary has a window, and triage gets it. No answer is a split.
func TestZoo(t *testing.T) {
	e, err := lab.FindEngine(context.Background(), lab.Choice{Name: "user"})
	require.NoError(t, err)
	zoo := build(t, "zoo", "arm64", "")
	animals := zooAnimals(t, zoo)
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
			r, err := a.die(ctx, t, e)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			b := binaries[a.path]
			if b == nil { // a user may give the binary for arm64 with a log of the host
				b = binaries[zoo]
			}
			got := answers(t, r.Output, b)
			a.check(t, r, got)
			for _, answer := range got {
				counts[answer]++
			}
			if !slices.Contains(got, "undecided: it contains no crash of a Go program") {
				crashes++
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%3d %s", counts[name], name)
	}
	t.Logf("%d crashes", crashes)
	assert.Greater(t, 10*crashes, 9*len(animals))
}
