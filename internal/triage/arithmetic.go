package triage

import (
	"fmt"
	"slices"
	"strings"

	"splitadd/internal/crash"
	"splitadd/internal/window"
)

// A Candidate is a window that fits the numbers that the unwinder printed. If a goroutine is
// interrupted in it, with the frames of the callers above, the unwinder stops where it did.
// golang/go#69389 has only these numbers.
type Candidate struct {
	Window  window.Window
	Callers []Caller // the innermost first; empty if the log names the window's function
}

// A Caller is a function in a chain of calls.
type Caller struct {
	Func  string
	Frame int64 // bytes from its stack pointer at entry to its stack pointer at the call
}

// Sum returns the sum that is equal to top - frame.sp, as text.
func (c Candidate) Sum() string {
	terms := []string{fmt.Sprint(c.Window.Actual)}
	for _, caller := range c.Callers {
		terms = append(terms, fmt.Sprint(caller.Frame))
	}
	return strings.Join(terms, " + ")
}

// Chain returns the names of the functions in the chain of calls, the innermost first.
func (c Candidate) Chain() string {
	names := []string{fmt.Sprintf("%s+%#x", c.Window.Func, c.Window.Offset())}
	for _, caller := range c.Callers {
		names = append(names, caller.Func)
	}
	return strings.Join(names, ", called by ")
}

// Bounds on the search for candidates.
const (
	maxChain      = 24      // calls in a chain
	maxStates     = 1 << 14 // states of the search, for each length of a chain
	maxCandidates = 8
	maxSteps      = 5 << 20 // steps from a callee to a caller, for all windows together
)

// candidates returns the windows that make the unwinder stop where it did. If it names a
// function, they are the windows of that function. Otherwise they are the windows from which a
// chain of calls leads to the top of the stack. all is false if there were too many chains to
// try them all.
func (b *Binary) candidates(u *crash.UnwinderState) (found []Candidate, all bool) {
	steps := maxSteps
	for _, w := range b.Windows {
		if w.Class != window.SP || !w.Known || len(found) == maxCandidates {
			continue
		}
		if u.Func != "" {
			if crash.SameFunc(u.Func, w.Func) {
				found = append(found, Candidate{Window: w})
			}
			continue
		}
		if b.table == nil || u.Top <= u.SP || u.Top-u.SP > 1<<31 {
			continue
		}
		if callers, ok := b.chain(w, int64(u.Top-u.SP)-w.Actual, &steps); ok {
			found = append(found, Candidate{w, callers})
		}
	}
	return found, steps > 0
}

// A state of the search is a function whose caller is searched for, and how many bytes the
// frames of its callers have to take.
type state struct {
	entry uint64
	rest  int64
}

// A step leads from the state of a callee to that of its caller.
type step struct {
	from   state
	caller Caller
}

// chain returns a chain of callers of a window's function whose frames take the given number
// of bytes. It prefers chains in which all calls name the callee to those in which the
// window's function is called by a pointer. Among those of one sort, it prefers short chains.
func (b *Binary) chain(w window.Window, bytes int64, left *int) ([]Caller, bool) {
	if bytes <= 0 {
		return nil, bytes == 0
	}
	start := state{w.Entry, bytes}
	for _, pointer := range []bool{false, true} {
		if steps, end, ok := b.sites().searchChain(start, pointer, left); ok {
			return b.path(steps, end, start), true
		}
	}
	return nil, false
}

// searchChain goes from callees to callers until a chain has the right size. It tries all chains of
// one length before longer ones, and stops when no steps are left.
func (s *sites) searchChain(start state, pointer bool, left *int) (steps map[state]step, end state, ok bool) {
	steps = map[state]step{}
	level := []state{start}
	for n := 0; n < maxChain && len(level) > 0; n++ {
		var next []state
		for _, from := range level {
			calls := s.callers[from.entry]
			if n == 0 && pointer {
				calls = s.indirect
			}
			for _, c := range calls {
				if *left--; *left <= 0 {
					return nil, state{}, false
				}
				to := state{c.entry, from.rest - c.frame}
				if _, seen := steps[to]; seen || to.rest < 0 || len(next) == maxStates {
					continue
				}
				steps[to] = step{from, Caller{Frame: c.frame}}
				if to.rest == 0 && len(s.callers[to.entry]) == 0 {
					return steps, to, true
				}
				if to.rest > 0 {
					next = append(next, to)
				}
			}
		}
		level = next
	}
	return nil, state{}, false
}

// path returns the callers on the way from start to a state.
func (b *Binary) path(steps map[state]step, at, start state) (callers []Caller) {
	for at != start {
		s := steps[at]
		if fn, ok := b.table.PCToFunc(at.entry); ok {
			s.caller.Func = fn.Name()
		}
		callers = append(callers, s.caller)
		at = s.from
	}
	slices.Reverse(callers)
	return callers
}
