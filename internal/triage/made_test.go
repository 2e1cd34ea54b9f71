package triage

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"splitadd/internal/crash"
	"splitadd/internal/lab"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/patch"
	"splitadd/internal/trial"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

var makeCorpus = flag.Bool("make", false, "write the logs of the corpus that victims print")

// A corpusLog describes a log of the corpus that a victim prints when it dies.
type corpusLog struct {
	release, victim string
	class           window.Class
	observer        string
	stress          bool // the victim runs as built; otherwise it is pinned
}

// corpusLogs returns all logs of the corpus that victims print.
func corpusLogs() (all []corpusLog) {
	add := func(victim string, class window.Class, observer string, stress bool, releases ...string) {
		for _, r := range releases {
			all = append(all, corpusLog{r, victim, class, observer, stress})
		}
	}
	add("leaf65552", window.SP, "gc", false, "go1.16.15", "go1.17.13", "go1.18.10", "go1.19.13", "go1.20.14", "go1.21.13",
		"go1.22.12", "go1.23.4", "go1.24.5", "go1.25.12", "go1.26.11", "go1.27.4")
	add("canonical", window.SP, "gc", false, "go1.18.10", "go1.20.14", "go1.21.13", "go1.23.4", "go1.27.4")
	add("leaf65552", window.SP, "stacks", false, "go1.18.10", "go1.20.14", "go1.21.13", "go1.23.4")
	add("leaf65552", window.SP, "trace", false, "go1.23.4")
	add("leaf65552", window.FP, "trace", false, "go1.21.13", "go1.23.4", "go1.27.4")
	add("leaf69632", window.FP, "trace", false, "go1.25.12")
	add("nonleaf131088", window.SP, "gc", false, "go1.18.10", "go1.22.12", "go1.23.4", "go1.24.5")
	add("leaf65552", window.SP, "gc", true, "go1.23.4", "go1.27.4")
	add("leaf69632", window.FP, "trace", true, "go1.27.4")
	return all
}

// TestMake writes these logs. -update writes the expected answers, here and in package crash.
// Then a person has to read the difference.
func TestMake(t *testing.T) {
	if !*makeCorpus {
		t.Skip("writes the corpus: go test ./internal/triage -run Make -args -make")
	}
	e, err := lab.FindEngine(context.Background(), lab.Choice{Name: "user"})
	require.NoError(t, err)
	guests := map[string]*trial.Guest{}
	for _, m := range corpusLogs() {
		if guests[m.release] == nil {
			guests[m.release], err = trial.Open(labtest.Guest(t, m.release), e)
			require.NoError(t, err)
		}
		name, text := m.log(t, e, guests[m.release])
		require.NoError(t, os.WriteFile(filepath.Join(crashFolder, "testdata", name), []byte(text), 0o644))
	}
}

// log runs the victim until it prints a log that names an unwind failure. It returns the name
// and the text of the file, with headers.
func (m corpusLog) log(t *testing.T, e *lab.Engine, g *trial.Guest) (name, text string) {
	way, how := "pinned in its "+string(m.class)+" window", ""
	job := lab.Job{Path: g.File.Path, Deadline: time.Minute, OneByOne: m.stress}
	config := victim.Config{Victim: m.victim, Observer: m.observer, Victims: 1, Procs: 3, Observe: 20}
	if m.stress {
		way, how = "as built", "-stress"
		config.Victims, config.Procs, config.Observe, config.For = trial.DefaultStress.Victims, trial.DefaultStress.Procs, 0, 30*time.Second
	} else {
		for _, w := range g.Preemptible(m.victim) {
			if w.Class == m.class {
				job.Path = filepath.Join(t.TempDir(), "guest")
				require.NoError(t, patch.Pin(g.File, w.PC, job.Path))
			}
		}
		require.NotEqual(t, g.File.Path, job.Path)
	}
	job.Args = config.Args()
	var head strings.Builder
	fmt.Fprintf(&head, "go: %s\nmade by: %s %s under %s\nengine: %s\ncommand: guest %s\n", m.release, m.victim, way, m.observer, e.Evidence, strings.Join(job.Args, " "))
	for _, w := range g.Preemptible(m.victim) {
		fmt.Fprintf(&head, "window: %s %s+%#x\n", w.Kind(), w.Func, w.Offset())
	}
	for range 5 { // until the log shows an unwind failure
		result, err := e.Run(context.Background(), job)
		require.NoError(t, err)
		if d := crash.Classify(result.Output, g.Windows); d.Kind.WhileUnwinding() || m.observer == "stacks" && d.Kind != "" {
			return fmt.Sprintf("%s-%s-%s-%s%s.txt", m.release, strings.ToLower(string(m.class)), m.victim, m.observer, how), head.String() + "\n" + string(result.Output)
		}
	}
	t.Fatalf("%+v did not die", m)
	return "", ""
}
