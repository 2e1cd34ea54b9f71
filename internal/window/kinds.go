package window

import "slices"

// A Kind is one way in which code breaks the preemption contract.
type Kind struct {
	Name   string // as verdicts name it: "leaf SP"
	Clause int    // of the contract, from 1: see docs/contract.md
	Class  Class
	// Problem says in one sentence what is wrong at a window of this kind. Harm says
	// what happens to the program, and when.
	Problem, Harm string
	// Remedy says which releases have no windows of this kind, or what to do if all
	// releases have them.
	Remedy string
	// Fixed are the first patch releases without windows of this kind, oldest first.
	// It is empty if no release is known to be without them.
	Fixed []string
	// Observer is the name of the observer in package victim that reveals it.
	Observer string
	// ProvedByHold says that a pin shows nothing: the harm comes after the goroutine goes
	// on, so the pin is released and the victim checks what it computes.
	ProvedByHold bool
	// MayCrashAnyhow says that the program may crash in any way, and anywhere: a control may
	// die as well.
	MayCrashAnyhow bool
	// NeedsNoHold says of a kind that is proved by a hold that it also shows without one: a
	// victim that is left to run is harmed within a second.
	NeedsNoHold bool
}

// Remedies of several kinds.
const (
	noRelease     = "no release up to go1.27.4 removes it; give the frame a size without a window, or move the large variable to the heap"
	neverReleased = "no Go release is known to have this: report it to golang/go, with the toolchain that built the file"
)

// Kinds are all kinds, in the order in which verdicts name them.
var Kinds = []Kind{
	{
		Name: "leaf SP", Clause: 1, Class: SP,
		Problem:  "the stack pointer holds a partial sum in the epilogue of a function without calls",
		Harm:     "the process dies when its stacks are scanned",
		Remedy:   noRelease,
		Observer: "gc",
	},
	{
		Name: "leaf FP", Clause: 2, Class: FP,
		Problem:  "the frame pointer holds a partial sum in the epilogue of a function without calls",
		Harm:     "the process dies while the execution tracer runs, as for a flight recorder or a trace endpoint",
		Remedy:   noRelease,
		Observer: "trace",
	},
	{
		Name: "non-leaf SP", Clause: 1, Class: SP,
		Problem:  "the stack pointer holds a partial sum in the epilogue of a function that makes calls",
		Harm:     "the process dies when its stacks are scanned (golang/go#73259)",
		Remedy:   "go1.23.12, go1.24.6, go1.25.0 and later build these functions without the window",
		Fixed:    []string{"go1.23.12", "go1.24.6", "go1.25.0"},
		Observer: "gc",
	},
	{
		Name: "non-leaf FP", Clause: 2, Class: FP,
		Problem:  "the frame pointer is neither the function's nor its caller's",
		Harm:     "the process dies while the execution tracer runs, as for a flight recorder or a trace endpoint",
		Remedy:   noRelease,
		Observer: "trace",
	},
	{
		Name: StaleFP, Clause: 2, Class: FP,
		Problem:  "the frame pointer is that of a frame that is popped, and a preemption overwrites it",
		Harm:     "the process dies while the execution tracer runs, as for a flight recorder or a trace endpoint (golang/go#63830)",
		Remedy:   "go1.21.7 and later restore the frame pointer before they pop the frame",
		Fixed:    []string{"go1.21.7"},
		Observer: "trace",
	},
	{
		Name: string(Save), Clause: 3, Class: Save,
		Problem:  "a value that is needed later lies below the stack pointer, where a preemption writes",
		Harm:     "the function returns to a wrong address or computes a wrong result",
		Remedy:   neverReleased,
		Observer: "gc", ProvedByHold: true, MayCrashAnyhow: true,
	},
	{
		Name: string(Register), Clause: 4, Class: Register,
		Problem:  "a register is live that asyncPreempt does not restore in its full width",
		Harm:     "the function goes on with a wrong value",
		Remedy:   neverReleased,
		Observer: "gc", ProvedByHold: true, MayCrashAnyhow: true,
	},
	{
		Name: string(Pointer), Clause: 5, Class: Pointer,
		Problem:  "R30 alone holds a pointer, and the collector does not scan it",
		Harm:     "the object is freed while it is in use: memory corruption (golang/go#80188)",
		Remedy:   "the collectors of go1.25.13, go1.26.6 and later scan R30",
		Fixed:    []string{"go1.25.13", "go1.26.6"},
		Observer: "gc", ProvedByHold: true, NeedsNoHold: true,
	},
	{
		Name: string(Restart), Clause: 6, Class: Restart,
		Problem:  "a restartable sequence overwrites its own input, or is too long",
		Harm:     "the function computes a wrong result, or the runtime throws \"bad restart PC\"",
		Remedy:   neverReleased,
		Observer: "gc", ProvedByHold: true,
	},
	{
		Name: string(Barrier), Clause: 7, Class: Barrier,
		Problem:  "a goroutine may be preempted between the check of the write barrier and the store that it guards",
		Harm:     "the collector may miss a pointer and free an object in use (golang/go#61958)",
		Remedy:   "go1.21.1 and later do not preempt there",
		Fixed:    []string{"go1.21.1"},
		Observer: "marking", ProvedByHold: true,
	},
}

// KindNames returns the names of all kinds, in the order of Kinds.
func KindNames() (names []string) {
	for _, k := range Kinds {
		names = append(names, k.Name)
	}
	return names
}

// KindNamed returns the kind with a name.
func KindNamed(name string) (k Kind, ok bool) {
	i := slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return k, false
	}
	return Kinds[i], true
}

// KindName returns the name of the kind of a class of window, in a leaf function
// or another. A stale frame pointer has a kind of its own: see Window.Kind.
func KindName(class Class, leaf bool) string {
	switch {
	case class != SP && class != FP:
		return string(class)
	case leaf:
		return "leaf " + string(class)
	}
	return "non-leaf " + string(class)
}

// allClauses suspects a function of breaking each clause.
const allClauses = ^clauseSet(0)

// check runs the checkers of the clauses that a function is suspected to break.
func (f *Finder) check(b *body, w *walk, suspects clauseSet, report func(Window)) {
	at := func(class Class) func(i int, detail string) {
		return func(i int, detail string) {
			report(Window{Class: class, PC: b.pc(i), Preemptible: true, Detail: detail})
		}
	}
	ok := true
	if suspects.has(3) {
		ok = b.lostSaves(b.accessLayout(w), f.preemption(), at(Save)) && ok
	}
	if suspects.has(4) {
		ok = b.lostRegisters(f.preemption(), at(Register)) && ok
	}
	if scans := f.scansLink(); suspects.has(5) && scans != yes {
		ok = b.lostPointers(func(i int, possible bool, detail string) {
			if scans == unsure {
				possible, detail = true, detail+"; whether the runtime scans R30 is not known"
			}
			report(Window{Class: Pointer, PC: b.pc(i), Preemptible: true, Possible: possible, Detail: detail})
		}) && ok
	}
	if suspects.has(6) {
		b.restarts(at(Restart))
	}
	if suspects.has(7) {
		b.barriers(f.flag(), at(Barrier))
	}
	if !ok {
		name := b.fn.Name()
		f.file.Budget.Output(len(name))
		f.uncheckedMutex.Lock()
		defer f.uncheckedMutex.Unlock()
		f.unchecked = append(f.unchecked, name)
	}
}
