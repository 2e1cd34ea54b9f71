package trial

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"splitadd/internal/arm64"
	"splitadd/internal/crash"
	"splitadd/internal/lab"
	"splitadd/internal/objfile"
	"splitadd/internal/patch"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// prefix is that of the victims' functions in a guest's function table.
const prefix = "splitadd/internal/victim."

// A Guest is a built guest and the windows of its victims.
type Guest struct {
	// Env is added to the environment of every run.
	Env []string
	// Functions are the victims, by their names in the victim package.
	Functions map[string]window.Function
	// Windows are those of the whole binary, in the order of their pcs.
	Windows []window.Window
	File    *objfile.File

	// unpreemptible says why the runtime does not preempt at an instruction of a
	// victim, as its table of safe points has it; "" if it does.
	unpreemptible func(pc uint64) (why string, err error)

	engine *lab.Engine
	dir    string
}

// Open opens a built guest. Pinned copies are made, and removed, in its folder.
//
// It is an error if a victim's frame is not the size its case says, as the
// function table has it, or if it is a leaf where the case says non-leaf.
func Open(path string, engine *lab.Engine) (*Guest, error) {
	file, err := objfile.Open(path)
	if err != nil {
		return nil, err
	}
	g := &Guest{Functions: map[string]window.Function{}, File: file, engine: engine, dir: filepath.Dir(path)}
	if err := g.find(); err != nil {
		file.Close()
		return nil, err
	}
	return g, nil
}

// Close unmaps the guest's file.
func (g *Guest) Close() error { return g.File.Close() }

func (g *Guest) find() error {
	finder, err := window.Open(g.File)
	if err != nil {
		return err
	}
	if g.Windows, err = finder.All(); err != nil {
		return err
	}
	g.unpreemptible = func(pc uint64) (string, error) {
		fn, ok := finder.Table().Find(pc)
		if !ok {
			return "", fmt.Errorf("address %#x is in no function", pc)
		}
		points, err := fn.SafePoints()
		if err != nil {
			return "", err
		}
		_, why := points.At(pc)
		return why, nil
	}
	functions, err := finder.Functions(prefix)
	if err != nil {
		return err
	}
	for _, f := range functions {
		g.Functions[strings.TrimPrefix(f.Name, prefix)] = f
	}
	for _, c := range victim.Cases() {
		f, ok := g.Functions[c.Func]
		if !ok {
			return fmt.Errorf("%s: no victim %s in its function table", g.File.Path, c.Func)
		}
		if f.Frame != int64(c.Frame) || f.Leaf != c.Leaf {
			return fmt.Errorf("%s: victim %s has a frame of %d bytes and leaf=%t; its case says %d and %t",
				g.File.Path, c.Func, f.Frame, f.Leaf, c.Frame, c.Leaf)
		}
	}
	return nil
}

// Preemptible returns the windows of a victim in which the runtime preempts.
func (g *Guest) Preemptible(name string) (windows []window.Window) {
	for _, w := range g.Functions[name].Windows {
		if w.Preemptible {
			windows = append(windows, w)
		}
	}
	return windows
}

// Pinnable returns those of Preemptible that a pin proves.
func (g *Guest) Pinnable(name string) []window.Window {
	return slices.DeleteFunc(g.Preemptible(name), func(w window.Window) bool {
		k, ok := window.KindOf(w.Kind())
		return ok && k.Held
	})
}

// Case returns the case of a window in a victim.
func (g *Guest) Case(w window.Window) victim.Case {
	c, _ := victim.Find(strings.TrimPrefix(w.Func, prefix))
	return c
}

// Telling yields, for each kind of window that the victims have, the one to
// race: one that is alone in its victim, since a death there has one cause, and
// with the smallest frame.
func (g *Guest) Telling() iter.Seq2[string, window.Window] {
	best := map[string]window.Window{}
	for _, c := range victim.Cases() {
		windows := g.Pinnable(c.Func)
		for _, w := range windows {
			known, ok := best[w.Kind()]
			alone := len(windows) == 1
			was := ok && len(g.Pinnable(g.Case(known).Func)) == 1
			if !ok || alone && !was || alone == was && w.Frame < known.Frame {
				best[w.Kind()] = w
			}
		}
	}
	return func(yield func(string, window.Window) bool) {
		for _, kind := range window.KindNames() {
			if w, ok := best[kind]; ok && !yield(kind, w) {
				return
			}
		}
	}
}

// Return returns the address of a victim's last return.
func (g *Guest) Return(name string) (uint64, error) {
	f := g.Functions[name]
	code, err := g.File.Bytes(f.Entry, (f.End-f.Entry)&^3)
	if err != nil {
		return 0, err
	}
	for at := len(code) - 4; at >= 0; at -= 4 {
		if binary.LittleEndian.Uint32(code[at:]) == arm64.Ret {
			return f.Entry + uint64(at), nil
		}
	}
	return 0, fmt.Errorf("%s does not return", f.Name)
}

// Elsewhere returns the preemptible windows that are in no victim.
func (g *Guest) Elsewhere() (windows []window.Window) {
	for _, w := range g.Windows {
		if w.Preemptible && !strings.HasPrefix(w.Func, prefix) {
			windows = append(windows, w)
		}
	}
	return windows
}

// Observer returns the observer that dies of a class of window: a stack scan
// believes the stack pointer, the execution tracer the frame pointer.
func Observer(class window.Class) string {
	i := slices.IndexFunc(window.Kinds, func(k window.Kind) bool { return k.Class == class })
	return window.Kinds[i].Observer
}

// Bounds are those of a pinned guest. One that dies does so in its first
// observations; one that cannot be preempted never completes any.
type Bounds struct {
	Observations int           // after which it has survived
	Stall        time.Duration // without an observation, after which it is not preemptible
	Deadline     time.Duration
}

// pinBounds leave time for a machine that is busy with other things.
var pinBounds = Bounds{20, 5 * time.Second, time.Minute}

// Pin runs a copy of the guest in which the victim waits at w.PC until it is
// preempted there.
func (g *Guest) Pin(ctx context.Context, name string, w window.Window, observer string, env ...string) (Run, error) {
	return g.PinBounded(ctx, name, w, observer, pinBounds, env...)
}

// PinBounded is Pin with bounds of one's own.
func (g *Guest) PinBounded(ctx context.Context, name string, w window.Window, observer string, b Bounds, env ...string) (Run, error) {
	r := g.start(name, w.Class, observer)
	r.Pinned, r.Window = true, w
	path := filepath.Join(g.dir, fmt.Sprintf("pin-%x-%s", w.PC, observer))
	if err := patch.Pin(g.File, w.PC, path); err != nil {
		return r, err
	}
	defer os.Remove(path)
	config := victim.Config{Victim: name, Observer: observer, Victims: 1, Procs: 3, Observe: b.Observations}
	err := g.run(ctx, &r, config, lab.Job{Path: path, Deadline: b.Deadline, Stall: b.Stall, Env: env})
	return r, err
}

// PinReturn pins a victim at its last return, where its frame is popped and
// there is no window: the control for Pin.
func (g *Guest) PinReturn(ctx context.Context, name, observer string) (Run, error) {
	pc, err := g.Return(name)
	if err != nil {
		return Run{}, err
	}
	r, err := g.Pin(ctx, name, g.at(name, window.SP, pc), observer)
	r.Control = true
	return r, err
}

// at is the window that an instruction of a victim would be.
func (g *Guest) at(name string, class window.Class, pc uint64) window.Window {
	f := g.Functions[name]
	return window.Window{Class: class, Func: f.Name, Leaf: f.Leaf, Entry: f.Entry, PC: pc, Frame: f.Frame}
}

// RerunUnattributed makes a run again, up to twice, if the guest died of an unwind
// failure and its log does not show where the goroutine was interrupted. Every run is
// reported; the last is returned.
func RerunUnattributed(run func() (Run, error), report func(Run)) (r Run, err error) {
	for range 3 {
		if r, err = run(); err != nil {
			return r, err
		}
		report(r)
		if r.Death.Kind != crash.Unwind {
			break
		}
	}
	return r, nil
}

func (g *Guest) start(name string, class window.Class, observer string) Run {
	c, _ := victim.Find(name)
	return Run{Class: class, Leaf: c.Leaf, Func: name, Frame: c.Frame, Observer: observer}
}

func (g *Guest) run(ctx context.Context, r *Run, config victim.Config, job lab.Job) error {
	job.Args, job.Env = config.Args(), append(job.Env, g.Env...)
	result, err := g.engine.Run(ctx, job)
	if err != nil {
		return fmt.Errorf("%s under %s: %w", r.Func, r.Observer, err)
	}
	r.judge(result, g.Windows)
	return nil
}
