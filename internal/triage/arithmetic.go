package triage

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"splitadd/internal/arm64"
	"splitadd/internal/crash"
	"splitadd/internal/pclntab"
	"splitadd/internal/window"
)

// A Candidate is a window that the unwinder's numbers fit. Interrupted in it,
// with the callers' frames above, the stack pointer is where the unwinder gave
// up (golang/go#69389 has such numbers, and nothing else).
type Candidate struct {
	Window  window.Window
	Callers []Caller // the innermost first; empty where the log names the function
}

// A Caller is a function in a chain of calls.
type Caller struct {
	Func  string
	Frame int64 // bytes between the stack pointers at its entry and at the call
}

// Sum returns the addition that gives top - frame.sp.
func (c Candidate) Sum() string {
	terms := []string{fmt.Sprint(c.Window.Actual)}
	for _, caller := range c.Callers {
		terms = append(terms, fmt.Sprint(caller.Frame))
	}
	return strings.Join(terms, " + ")
}

// Chain names the functions, the innermost first.
func (c Candidate) Chain() string {
	names := []string{fmt.Sprintf("%s+%#x", c.Window.Func, c.Window.Offset())}
	for _, caller := range c.Callers {
		names = append(names, caller.Func)
	}
	return strings.Join(names, ", called by ")
}

// Bounds on the search.
const (
	maxChain      = 24      // calls
	maxStates     = 1 << 14 // of the search, at each length
	maxCandidates = 8
	maxSteps      = 5 << 20 // from callee to caller, of the search for all windows
)

// candidates returns the windows in which an interrupted goroutine would make
// the unwinder end where it did: those of the function that it names; or else
// those from which a chain of calls leads to the top of the stack. It reports
// whether it looked at all chains: there may be very many.
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

// A state of the search for a chain: a function whose caller is looked for, and
// the bytes that its callers' frames have to take.
type state struct {
	entry uint64
	rest  int64
}

type step struct {
	from   state
	caller Caller
}

// chain returns callers of a window's function whose frames take so many bytes
// together. Chains of calls by address that end where a goroutine begins are
// better than those in which the window's function is called by way of a pointer;
// of the same kind, short ones are better than long ones.
func (b *Binary) chain(w window.Window, bytes int64, left *int) ([]Caller, bool) {
	if bytes <= 0 {
		return nil, bytes == 0
	}
	start := state{w.Entry, bytes}
	for _, pointer := range []bool{false, true} {
		if steps, end, ok := b.sites().search(start, pointer, left); ok {
			return b.path(steps, end, start), true
		}
	}
	return nil, false
}

// search goes from callee to caller, all chains of one length before those of
// the next, while steps are left.
func (s *sites) search(start state, pointer bool, left *int) (steps map[state]step, end state, ok bool) {
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

func (b *Binary) path(steps map[state]step, at, start state) (callers []Caller) {
	for at != start {
		s := steps[at]
		if fn, ok := b.table.Find(at.entry); ok {
			s.caller.Func = fn.Name()
		}
		callers = append(callers, s.caller)
		at = s.from
	}
	slices.Reverse(callers)
	return callers
}

// A site is a call.
type site struct {
	entry    uint64 // of the caller
	frame    int64
	indirect bool
}

// sites are the calls of a binary's functions that are not in assembly. A
// function that nothing calls is one with which a goroutine begins. Main, and
// what initializes packages, the runtime calls by pointers.
type sites struct {
	callers  map[uint64][]site // by the callee's entry
	indirect []site            // calls by a pointer, not of the runtime's
}

// initializes matches the functions that initialize packages.
var initializes = regexp.MustCompile(`\.init(?:\.[0-9]+)?$`)

func (b *Binary) sites() *sites {
	if b.callSites != nil {
		return b.callSites
	}
	s := &sites{callers: map[uint64][]site{}}
	b.callSites = s
	var main, inits []uint64
	var byMain, byInit []site
	for i := range b.table.Len() {
		fn, err := b.table.Func(i)
		if err != nil || fn.Assembly() {
			continue
		}
		name := fn.Name()
		switch {
		case name == "main.main":
			main = append(main, fn.Entry)
		case initializes.MatchString(name):
			inits = append(inits, fn.Entry)
		}
		b.calls(fn, func(c site, callee uint64) {
			switch {
			case !c.indirect:
				s.callers[callee] = append(s.callers[callee], c)
			case name == "runtime.main":
				byMain = append(byMain, c)
			case name == "runtime.doInit" || name == "runtime.doInit1":
				byInit = append(byInit, c)
			case !strings.HasPrefix(name, "runtime."):
				s.indirect = append(s.indirect, c)
			}
		})
	}
	for _, entry := range main {
		s.callers[entry] = append(s.callers[entry], byMain...)
	}
	for _, entry := range inits {
		s.callers[entry] = append(s.callers[entry], byInit...)
	}
	return s
}

// calls visits the calls of a function, those of one kind and frame once. The
// callee of one by a pointer is 0.
func (b *Binary) calls(fn pclntab.Func, visit func(c site, callee uint64)) {
	code, err := b.file.Bytes(fn.Entry, (fn.End-fn.Entry)&^3)
	if err != nil {
		return
	}
	type call struct {
		site
		callee uint64
	}
	seen := map[call]bool{}
	var values pclntab.Values
	for at := 0; at < len(code); at += 4 {
		flow, offset, direct := arm64.Control(binary.LittleEndian.Uint32(code[at:]))
		if flow != arm64.Call {
			continue
		}
		if values == nil {
			if values, err = fn.PCSP(); err != nil {
				return
			}
		}
		pc := fn.Entry + uint64(at)
		frame, _ := values.At(fn.Entry, pc)
		c := call{site: site{fn.Entry, int64(frame), !direct}}
		if direct {
			c.callee = pc + uint64(offset)
		}
		if frame > 0 && !seen[c] {
			seen[c] = true
			visit(c.site, c.callee)
		}
	}
}
