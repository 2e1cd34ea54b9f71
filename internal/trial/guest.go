package trial

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"

	"splitadd/internal/arm64"
	"splitadd/internal/lab"
	"splitadd/internal/objfile"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// prefix begins the names of the victims' functions in a guest's function table.
const prefix = "splitadd/internal/victim."

// A Guest is a built guest and the windows of its victims.
type Guest struct {
	// Env is added to the environment of every run.
	Env []string
	// Functions are the victims, by their names in the victim package.
	Functions map[string]window.Function
	// Windows are the windows of the whole binary, in the order of their pcs.
	Windows []window.Window
	File    *objfile.File

	// unpreemptible says why the runtime does not preempt at an instruction of a
	// victim, as its table of safe points has it; "" if it does.
	unpreemptible func(pc uint64) (why string, err error)

	engine *lab.Engine
	dir    string
	pace   pace
}

// ErrUnreadable is wrapped by the error of Build if the guest was built but does not
// match its source.
var ErrUnreadable = errors.New("the guest cannot be judged")

// Build builds the guest with a toolchain in a folder and opens it, to be run on an
// engine. If the engine is nil, the guest is for Linux, and cannot be run.
func Build(ctx context.Context, t *lab.Toolchain, engine *lab.Engine, dir string) (*Guest, error) {
	target := lab.Target{OS: "linux", Arch: "arm64"}
	if engine != nil {
		target = engine.Target
	}
	path := filepath.Join(dir, "guest")
	if err := lab.Build(ctx, t, target, path); err != nil {
		return nil, err
	}
	g, err := Open(path, engine)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", t.Version, ErrUnreadable, err)
	}
	return g, nil
}

// Open opens a built guest. Pinned copies are made, and removed, in its folder.
//
// It is an error if the function table has another frame size for a victim than its
// case says, or if only one of the two says that the victim is a leaf.
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
	// The budget is for a file that may be hostile. This one was built here, and every
	// pin reads it again.
	file.Budget = nil
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
	for _, name := range finder.UncheckedFunctions() {
		if strings.HasPrefix(name, prefix) {
			return fmt.Errorf("%s: victim %s has too many branches to be checked for every kind", g.File.Path, strings.TrimPrefix(name, prefix))
		}
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

// Pinnable returns the windows of Preemptible that a pin proves.
func (g *Guest) Pinnable(name string) []window.Window {
	return slices.DeleteFunc(g.Preemptible(name), func(w window.Window) bool {
		k, ok := window.KindNamed(w.Kind())
		return ok && k.ProvedByHold
	})
}

// maxContractPins bounds how many windows of a kind are pinned in victims that are held.
const maxContractPins = 3

// WindowsToPin returns the windows that a verdict pins: all that a pin proves in the
// victims of package victim's Cases. If they have no window of a kind, it adds a few in
// the victims of Contract, one in each.
func (g *Guest) WindowsToPin() (windows []window.Window) {
	count := map[string]int{}
	for _, c := range victim.Cases() {
		for _, w := range g.Pinnable(c.Func) {
			windows = append(windows, w)
			count[w.Kind()] = maxContractPins
		}
	}
	for _, c := range victim.Contract() {
		seen := map[string]bool{}
		for _, w := range g.Pinnable(c.Func) {
			if kind := w.Kind(); !seen[kind] && count[kind] < maxContractPins {
				windows = append(windows, w)
				seen[kind] = true
				count[kind]++
			}
		}
	}
	return windows
}

// Case returns the case of a window in a victim.
func (g *Guest) Case(w window.Window) victim.Case {
	c, _ := victim.Find(strings.TrimPrefix(w.Func, prefix))
	return c
}

// StressWindows yields, for each kind of window that the victims have, the window for a
// stress run. It prefers a victim with only one window, because its death has only one
// possible cause. Among such victims it prefers the smallest frame.
func (g *Guest) StressWindows() iter.Seq2[string, window.Window] {
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

// LastReturn returns the address of a victim's last return.
func (g *Guest) LastReturn(name string) (uint64, error) {
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

// WindowsNotRun returns the preemptible windows that a verdict does not run: those
// outside the victims, and, in victims that are held, those that a pin would prove, but
// for the few in WindowsToPin.
func (g *Guest) WindowsNotRun() (windows []window.Window) {
	held := map[string]bool{}
	for _, c := range victim.Contract() {
		held[prefix+c.Func] = true
	}
	pinned := g.WindowsToPin()
	for _, w := range g.Windows {
		k, _ := window.KindNamed(w.Kind())
		run := strings.HasPrefix(w.Func, prefix) && (!held[w.Func] || k.ProvedByHold) ||
			slices.ContainsFunc(pinned, func(p window.Window) bool { return p.PC == w.PC && p.Class == w.Class })
		if w.Preemptible && !run {
			windows = append(windows, w)
		}
	}
	return windows
}

// mayCrashAnyhow reports whether the guest has a window of a kind that makes it crash in any
// way. Then the death of a guest that is pinned elsewhere, or runs as it was built, does
// not contradict the windows found.
func (g *Guest) mayCrashAnyhow() bool {
	return slices.ContainsFunc(g.Windows, func(w window.Window) bool {
		k, _ := window.KindNamed(w.Kind())
		return k.MayCrashAnyhow && w.Preemptible && !w.Possible
	})
}

// windowNotRun returns the first of the WindowsNotRun of a kind that certainly does harm.
func (g *Guest) windowNotRun(kind string) (w window.Window, ok bool) {
	all := g.WindowsNotRun()
	i := slices.IndexFunc(all, func(w window.Window) bool { return w.Kind() == kind && !w.Possible })
	if i < 0 {
		return w, false
	}
	return all[i], true
}

// windowAt returns the window that a victim would have at an instruction.
func (g *Guest) windowAt(name string, class window.Class, pc uint64) window.Window {
	f := g.Functions[name]
	return window.Window{Class: class, Func: f.Name, Leaf: f.Leaf, Entry: f.Entry, PC: pc, Frame: f.Frame}
}
