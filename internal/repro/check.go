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
	Settings    string // what "go env" prints, as it was built
	Engine      string
	Kind        string
	Source      []byte
	Window      window.Window
	Disassembly string
	Pinned      trial.Life   // died in the window, pinned there
	PinnedLog   []byte       // what it printed
	Lives       trial.Sample // raced as built
	Log         []byte       // of the first that died, raced
}

// ErrNoWindow is wrapped by the error of Prove where the toolchain makes no such
// window.
var ErrNoWindow = fmt.Errorf("no such window")

// pinTime bounds a pinned run: one that dies does so in a fraction of a second.
const pinTime = 20 * time.Second

// Prove builds a reproducer, finds the window of that kind in it, pins it there,
// and races it as it was built. It is an error if a run dies of anything but
// that window: nothing is proved then.
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
		life, log, err := p.live(ctx, e, lab.Job{Path: path, Raced: true, Deadline: limit}, windows)
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

// find finds the window, and returns all there are.
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

// tries is how often a run is made again whose log does not say where the
// goroutine was.
const tries = 3

// live runs a guest to its death or its deadline.
func (p *Proof) live(ctx context.Context, e *lab.Engine, job lab.Job, windows []window.Window) (life trial.Life, log []byte, err error) {
	for range tries {
		r, err := e.Run(ctx, job)
		if err != nil {
			return life, r.Output, err
		}
		life, log = trial.Life{Seconds: r.Seconds}, r.Output
		if r.End == process.Deadline && len(bytes.TrimSpace(r.Output)) == 0 {
			return life, log, nil
		}
		death := crash.Classify(r.Output, windows)
		life.Died = r.End == process.Exited && death.Window != nil && death.Window.Kind() == p.Kind
		if life.Died {
			return life, log, nil
		}
		err = fmt.Errorf("%s: the reproducer ended otherwise (%s, status %d): %v", p.Go, r.End, r.Code, death)
		if death.Kind != crash.Unwind {
			return life, log, err
		}
	}
	return life, log, fmt.Errorf("%s: no log of %d deaths says where the goroutine was", p.Go, tries)
}
