package triage

import (
	"encoding/binary"
	"regexp"
	"strings"

	"splitadd/internal/arm64"
	"splitadd/internal/pclntab"
)

// A site is a call in a function.
type site struct {
	entry    uint64 // of the function
	frame    int64  // bytes from its stack pointer at entry to its stack pointer at the call
	indirect bool   // the call is by a pointer
}

// sites are the calls in a binary's functions that are not in assembly. A function that
// nothing calls is one with which a goroutine begins. The runtime calls main.main, and the
// functions that initialize packages, by pointers.
type sites struct {
	callers  map[uint64][]site // the calls of a function, by its entry
	indirect []site            // the calls by a pointer, except those in the runtime
}

// initializes matches the names of functions that initialize packages.
var initializes = regexp.MustCompile(`\.init(?:\.[0-9]+)?$`)

// sites returns the calls in the binary.
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

// calls visits the calls in a function. It visits calls with the same callee and frame once.
// The callee of a call by a pointer is 0.
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
	var values pclntab.PCValues
	for at := 0; at < len(code); at += 4 {
		flow, offset, direct := arm64.FlowOf(binary.LittleEndian.Uint32(code[at:]))
		if flow != arm64.FlowCall {
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
