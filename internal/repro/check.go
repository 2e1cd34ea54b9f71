package repro

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"splitadd/internal/crash"
	"splitadd/internal/lab"
	"splitadd/internal/lab/process"
	"splitadd/internal/objfile"
	"splitadd/internal/patch"
	"splitadd/internal/trial"
	"splitadd/internal/window"
)

// A Proof is what a reproducer did with one toolchain.
type Proof struct {
	Go          string
	Settings    string // what "go env" prints in the folder of the build
	Engine      string
	Kind        string
	Source      []byte
	Window      window.Window
	Disassembly string
	Pinned      trial.Life   // the pinned run, which died in the window
	PinnedLog   []byte       // what it printed
	Lives       trial.Sample // of the stress runs
	Log         []byte       // of the first stress run that died
}

// ErrNoWindow is wrapped by the error of Prove if the toolchain does not make the window
// of the reproducer.
var ErrNoWindow = fmt.Errorf("no such window")

// pinTime bounds a pinned run. A run that dies does so in a fraction of a second, or, on a
// machine that is a thousand times slower, in minutes.
const pinTime = 10 * time.Minute

// Prove builds a reproducer, finds the window of that kind in it, and pins it there. It
// also makes stress runs of the unmodified reproducer. It is an error if a run dies of
// anything but a window of that kind, because that proves nothing.
func Prove(ctx context.Context, t *lab.Toolchain, e *lab.Engine, kind string, source []byte, runs int, limit time.Duration) (p Proof, err error) {
	p = Proof{Go: t.Version, Engine: e.Evidence, Kind: kind, Source: source}
	dir, err := os.MkdirTemp("", "splitadd-")
	if err != nil {
		return p, err
	}
	defer os.RemoveAll(dir)
	path, err := lab.BuildMain(ctx, t, e.Target, source, dir)
	if err != nil {
		return p, err
	}
	if p.Settings, err = t.Settings(ctx, e.Target, dir); err != nil {
		return p, err
	}
	file, err := objfile.Open(path)
	if err != nil {
		return p, err
	}
	defer file.Close()
	windows, err := p.find(file)
	if err != nil {
		return p, err
	}
	pinned := filepath.Join(dir, "pinned")
	if err := patch.Pin(file, p.Window.PC, pinned); err != nil {
		return p, err
	}
	if p.Pinned, p.PinnedLog, err = p.live(ctx, e, lab.Job{Path: pinned, Deadline: pinTime}, windows); err != nil {
		return p, err
	}
	if !p.Pinned.Died {
		return p, fmt.Errorf("%s: pinned in its %s window the reproducer survived %.1f s", p.Go, kind, p.Pinned.Seconds)
	}
	for range runs {
		life, log, err := p.live(ctx, e, lab.Job{Path: path, OneByOne: true, Deadline: limit}, windows)
		if err != nil {
			return p, err
		}
		p.Lives = append(p.Lives, life)
		if life.Died && p.Log == nil {
			p.Log = log
		}
	}
	return p, nil
}

// find finds the window of the reproducer, and returns all windows of the file.
func (p *Proof) find(file *objfile.File) ([]window.Window, error) {
	finder, err := window.Open(file)
	if err != nil {
		return nil, err
	}
	windows, err := finder.All()
	if err != nil {
		return nil, err
	}
	for _, w := range windows {
		if w.Func == "main.victim" && w.Preemptible && w.Kind() == p.Kind {
			p.Window, p.Disassembly = w, window.Disassembly(file, w, 4, 2)
			return windows, nil
		}
	}
	return nil, fmt.Errorf("%s: %w: the reproducer's victim has no %s window", p.Go, ErrNoWindow, p.Kind)
}

// live runs a guest to its death or its deadline. It runs it again if its log does
// not show where the goroutine was interrupted.
func (p *Proof) live(ctx context.Context, e *lab.Engine, job lab.Job, windows []window.Window) (life trial.Life, log []byte, err error) {
	runs := 0
	r, err := trial.RerunUnattributed(func() (trial.Run, error) {
		runs++
		return p.run(ctx, e, job, windows)
	}, func(trial.Run) {})
	if err == nil && r.Death.Kind == crash.Unwind {
		err = fmt.Errorf("%s: no log of %d deaths says where the goroutine was", p.Go, runs)
	}
	return trial.Life{Seconds: r.Seconds, Died: r.Death.Window != nil}, r.Log, err
}

// run runs a guest once. It is an error if it dies of anything but an unwind failure,
// in the window or at a place that its log does not show.
func (p *Proof) run(ctx context.Context, e *lab.Engine, job lab.Job, windows []window.Window) (trial.Run, error) {
	result, err := e.Run(ctx, job)
	r := trial.Run{Outcome: trial.Survived, Seconds: result.Seconds, Log: result.Output}
	if err != nil || result.End == process.Deadline && len(bytes.TrimSpace(result.Output)) == 0 {
		return r, err
	}
	r.Outcome, r.Death = trial.Died, crash.Classify(result.Output, windows)
	here := result.End == process.Exited && r.Death.Window != nil && r.Death.Window.Kind() == p.Kind
	if !here && r.Death.Kind != crash.Unwind {
		return r, fmt.Errorf("%s: the reproducer ended in an unexpected way (%s, status %d): %v", p.Go, result.End, result.Code, r.Death)
	}
	return r, nil
}
