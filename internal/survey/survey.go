// Package survey answers what people who ship a binary ask about it: who built it,
// what windows it has, whose code they are in, and what to do about them.
package survey

import (
	"runtime/debug"
	"slices"
	"strings"

	"splitadd/internal/arm64"
	"splitadd/internal/objfile"
	"splitadd/internal/window"
)

// A Binary is a binary and what was found in it.
type Binary struct {
	Path      string // in the archive, if it is in one
	Place     Place
	Format    string // "ELF", "Mach-O" or "PE"
	Go        string // the release that built it, or "" if it does not say
	Main      string // the main module and its version, or ""
	Package   string // the import path of package main, or ""
	UnwindsFP bool   // its runtime unwinds by frame pointer
	Functions []Function
	Unchecked []string // functions whose branches are too tangled for a clause to be checked
	SHA256    string   // of the file, in hex, if somebody has set it; Scan does not
	Accepted  int      // windows that a baseline accepts: they are not among the functions'
	Undecoded int      // words that arm64.Decode does not know, if all windows were asked for
}

// A Function is a function that has windows.
type Function struct {
	Name    string
	Leaf    bool
	Frame   int64  // bytes
	Owner   string // whose code it is: see Owner
	Windows []Window
	// ShrinkBy and GrowBy are the bytes by which the frame would have to shrink or to
	// grow to have no window. They are 0 if no size without a window is near.
	ShrinkBy, GrowBy int64
}

// A Window is a window and the instructions around it.
type Window struct {
	window.Window
	Disassembly string
}

// Preemptible returns how many windows there are in which the runtime preempts.
func (b *Binary) Preemptible() (n int) {
	for _, f := range b.Functions {
		for _, w := range f.Windows {
			if w.Preemptible {
				n++
			}
		}
	}
	return n
}

// Affected returns how many functions have windows in which the runtime preempts.
func (b *Binary) Affected() (n int) {
	for _, f := range b.Functions {
		if slices.ContainsFunc(f.Windows, func(w Window) bool { return w.Preemptible }) {
			n++
		}
	}
	return n
}

// Kinds returns the kinds of the windows in which the runtime preempts, sorted.
func (b *Binary) Kinds() (kinds []string) {
	for _, f := range b.Functions {
		kinds = append(kinds, f.Kinds()...)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// Kinds returns the kinds of the windows in which the runtime preempts, sorted.
func (f Function) Kinds() (kinds []string) {
	for _, w := range f.Windows {
		if kind := w.Kind(); w.Preemptible && !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// scan does the work scan Scan. It must run under the file's guard.
func scan(f *objfile.File, all bool) (*Binary, error) {
	finder, err := window.Open(f)
	if err != nil {
		return nil, err
	}
	info := BuildInfo(f)
	finder.Release = info.GoVersion
	find := finder.Find
	if all {
		find = finder.All
	}
	windows, err := find()
	if err != nil {
		return nil, err
	}
	b := &Binary{
		Path: f.Path, Format: f.Format, UnwindsFP: finder.UnwindsFP, Go: info.GoVersion, Package: info.Path,
		Unchecked: finder.UncheckedFunctions(), Undecoded: finder.UndecodedWords(),
	}
	if b.Main = module(info.Main); b.Main == "" {
		b.Main = info.Path
	}
	for _, w := range windows {
		last := len(b.Functions) - 1
		if last < 0 || b.Functions[last].Windows[0].Entry != w.Entry {
			f.Budget.Work(len(info.Deps))
			fn := Function{Name: w.Func, Leaf: w.Leaf, Frame: w.Frame, Owner: Owner(info, w.Func)}
			if w.Class == window.SP || w.Class == window.FP {
				steps := 0
				fn.ShrinkBy, fn.GrowBy, steps = nearestSafeFrames(w.Frame, w.Leaf && b.UnwindsFP)
				f.Budget.Work(4 * steps)
			}
			b.Functions = append(b.Functions, fn)
			last++
		}
		shown := Window{w, window.Disassembly(f, w, 1, 1)}
		f.Budget.Output(len(shown.Disassembly) + len(b.Functions[last].Owner))
		b.Functions[last].Windows = append(b.Functions[last].Windows, shown)
	}
	return b, nil
}

// module names a module and its version.
func module(m debug.Module) string {
	if m.Version == "" || m.Version == "(devel)" {
		return m.Path
	}
	return m.Path + "@" + m.Version
}

// Package returns the import path of a function's package, from the name that
// the linker wrote. In this name, dots in the last element of the path are escaped, and
// type arguments are in brackets (cmd/internal/objabi/path.go, PathToPrefix).
func Package(function string) string {
	path, _, _ := strings.Cut(function, "[")
	slash := strings.LastIndexByte(path, '/') + 1
	last, _, _ := strings.Cut(path[slash:], ".")
	return strings.ReplaceAll(path[:slash]+last, "%2e", ".")
}

// Owner says whose code a function is: "main module", "dependency PATH@VERSION",
// "standard library", or "package PATH" if the binary does not list its modules.
func Owner(info *debug.BuildInfo, function string) string {
	path := Package(function)
	within := func(module string) bool {
		return module != "" && (path == module || strings.HasPrefix(path, module+"/"))
	}
	owner, longest := "package "+path, -1
	for _, m := range info.Deps {
		if within(m.Path) && len(m.Path) > longest {
			if owner, longest = "dependency "+module(*m), len(m.Path); m.Replace != nil {
				owner += " => " + module(*m.Replace)
			}
		}
	}
	if path == "main" || within(info.Main.Path) && len(info.Main.Path) > longest {
		return "main module"
	}
	if first, _, _ := strings.Cut(path, "/"); longest < 0 && !strings.Contains(first, ".") && path != "" && info.Main.Path != "" {
		return "standard library"
	}
	return owner
}

// maxFrameChange is by how many bytes NearestSafeFrames changes a frame at most.
const maxFrameChange = 128 << 10

// NearestSafeFrames returns the bytes by which a frame would have to shrink or to grow so
// that its epilogue has no window. The epilogue adds the frame's size to the stack
// pointer. With fp it also adds the size less 8 to the frame pointer, as in a leaf. A
// result of 0 says that no size without a window is near, or that the frame has
// one already. Frames are multiples of 16.
func NearestSafeFrames(frame int64, fp bool) (less, more int64) {
	less, more, _ = nearestSafeFrames(frame, fp)
	return less, more
}

// nearestSafeFrames does the work of NearestSafeFrames, and also returns how many distances it tried.
func nearestSafeFrames(frame int64, fp bool) (less, more int64, steps int) {
	safe := func(n int64) bool {
		return n > 0 && arm64.FormOf(uint64(n)) != arm64.TwoADDs && (!fp || arm64.FormOf(uint64(n-8)) != arm64.TwoADDs)
	}
	for d := int64(0); d <= maxFrameChange; d += 16 {
		steps++
		if less == 0 && safe(frame-d) {
			less = d
		}
		if more == 0 && safe(frame+d) {
			more = d
		}
		if less > 0 && more > 0 || d == 0 && safe(frame) {
			break
		}
	}
	return less, more, steps
}

// Remedies says what happens to a program with windows of these kinds, and what to do
// about them. Kinds with the same text share a sentence.
func Remedies(kinds []string) (sentences []string) {
	for _, text := range []func(window.Kind) string{
		func(k window.Kind) string { return k.Harm },
		func(k window.Kind) string { return k.Remedy },
	} {
		var texts []string
		names := map[string][]string{} // by text
		for _, k := range window.Kinds {
			if slices.Contains(kinds, k.Name) {
				if names[text(k)] == nil {
					texts = append(texts, text(k))
				}
				names[text(k)] = append(names[text(k)], k.Name)
			}
		}
		for _, t := range texts {
			sentences = append(sentences, strings.Join(names[t], ", ")+": "+t)
		}
	}
	if len(kinds) > 0 {
		sentences = append(sentences, "until then: GODEBUG=asyncpreemptoff=1 closes every window, at the price of slower garbage collection where loops do not call")
	}
	return sentences
}
