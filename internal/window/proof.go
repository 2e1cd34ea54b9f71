package window

import (
	"splitadd/internal/arm64"
	"splitadd/internal/pclntab"
)

// A proof shows in one pass that a function has no window. It succeeds for most
// functions, and saves the walk along every path. It follows the code in the order of
// addresses, and demands three things: each instruction changes the stack pointer by as
// much as pcsp does, each branch goes to a place for which pcsp claims the same, and
// the frame pointer is set up and restored in one of the ways that the assembler
// knows. A function for which it fails is left to the walk.
type proof struct {
	code []byte
	pcsp pclntab.PCValues // reused

	branches []branch
	// noEntry are ranges of instructions that no branch may enter, because the frame
	// pointer does not fit pcsp there, or a register holds the future stack
	// pointer.
	noEntry []span

	unwindsFP  bool
	below      int64 // what pcsp claims here
	fp         int64 // the frame pointer, from the entry's stack pointer
	savedAt    int64 // the place of the caller's frame pointer on the stack, from the same; 0 until it is saved
	unfitSince int   // where the frame pointer began not to fit; -1 if it fits
	written    int   // the instruction after the last that wrote the stack pointer
}

type branch struct {
	target int
	below  int64
}

type span struct{ from, to int }

// workPerFunction is the least work for a function, however short it is.
const workPerFunction = 16

// showsClean reports whether the proof shows that a function has no window.
func (p *proof) showsClean(f *Finder, fn pclntab.Func) bool {
	var err error
	if p.pcsp, err = fn.AppendPCSP(p.pcsp[:0]); err != nil {
		return false
	}
	if p.code, err = f.file.Bytes(fn.Entry, (fn.End-fn.Entry)&^3); err != nil || len(p.pcsp) == 0 {
		return false
	}
	f.file.Budget.Work(len(p.code)/4 + workPerFunction)
	if p.pcsp[0].Value != 0 {
		return false
	}
	p.branches, p.noEntry = p.branches[:0], p.noEntry[:0]
	p.unwindsFP, p.below, p.fp, p.savedAt, p.unfitSince, p.written = f.UnwindsFP, 0, callersFP.n, 0, -1, 0
	i, n := 0, len(p.code)/4
	for k, run := range p.pcsp {
		if i >= n {
			break
		}
		end := min(int((run.End-fn.Entry)/4), n)
		next := p.below
		if k+1 < len(p.pcsp) {
			next = int64(p.pcsp[k+1].Value)
		}
		if !p.followRun(i, end, next) {
			return false
		}
		i, p.below = end, next
	}
	f.file.Budget.Work(len(p.branches) * (1 + len(p.noEntry)))
	return p.branchesFit(fn)
}

// followRun follows the instructions [i, end), over which pcsp claims p.below, and
// from then on next.
func (p *proof) followRun(i, end int, next int64) bool {
	changed := next == p.below // whether the last instruction accounts for next
	code, first := p.code[4*i:4*end], i
	for at := 0; at+3 < len(code); at += 4 {
		word := uint32(code[at]) | uint32(code[at+1])<<8 | uint32(code[at+2])<<16 | uint32(code[at+3])<<24
		class := arm64.Classes[word>>24<<5&0x1fe0|word&31]
		if class == arm64.ClassIrrelevant {
			continue
		}
		last := at+4 == len(code)
		if class == arm64.ClassCall && !last || class == arm64.ClassLoadStore && !arm64.MayChangeFrameOrFlow(word) {
			continue
		}
		i := first + at/4
		stops := false // whether control does not fall through
		switch flow, offset, _ := arm64.FlowOf(word); flow {
		case arm64.FlowBranch, arm64.FlowCond:
			if target := int64(i) + offset/4; target >= 0 && target < int64(len(p.code)/4) {
				if p.unfitSince >= 0 {
					return false
				}
				p.branches = append(p.branches, branch{int(target), p.below})
			}
			stops = flow == arm64.FlowBranch
		case arm64.FlowExit:
			stops = true
		case arm64.FlowCall:
			stops = last && next != p.below // see walk.neverPasses
		default:
			if word == arm64.Nop {
				stops = last && next != p.below && i > 0 && p.doesNotFallThrough(i-1)
				break
			}
			written := arm64.Writes(word)
			if written.Has(arm64.SP) {
				by, ok := p.movesSP(i, word)
				if !ok || written.Has(arm64.FP) || !last || p.below-by != next || p.unwindsFP && p.fp != callersFP.n {
					return false
				}
				changed, p.written = true, i+1
				p.noteFit(i+1, next)
			} else if written.Has(arm64.FP) && p.unwindsFP {
				if !p.stepFP(word) {
					return false
				}
				p.noteFit(i+1, p.below)
			} else if p.unwindsFP && p.fp == callersFP.n {
				p.stepSave(i, word)
			}
		}
		if stops {
			after := p.below
			if last {
				after, changed = next, true
			}
			p.fp = -after - 8 // as it will be wherever a branch comes from
			p.noteFit(i+1, after)
		}
	}
	return changed
}

// noteFit notes from which instruction on the frame pointer fits what pcsp claims, or does
// not. It fits if it is the function's own while there is a frame, and its caller's
// otherwise.
func (p *proof) noteFit(i int, below int64) {
	fit := !p.unwindsFP || p.fp == -below-8
	switch {
	case fit && p.unfitSince >= 0:
		p.noEntry = append(p.noEntry, span{p.unfitSince, i})
		p.unfitSince = -1
	case !fit && p.unfitSince < 0:
		p.unfitSince = i
	}
}

func (p *proof) doesNotFallThrough(i int) bool {
	flow, _, _ := arm64.FlowOf(wordAt(p.code, i))
	return doesNotFallThrough(flow)
}

// branchesFit reports whether pcsp claims the same at both ends of every branch, and no branch
// goes to an instruction in noEntry.
func (p *proof) branchesFit(fn pclntab.Func) bool {
	if len(p.pcsp) == 1 && len(p.noEntry) == 0 {
		return true
	}
	cursor := fn.Cursor(p.pcsp)
	for _, b := range p.branches {
		if below, _ := cursor.At(fn.Entry + uint64(4*b.target)); int64(below) != b.below {
			return false
		}
		for _, s := range p.noEntry {
			if b.target >= s.from && b.target < s.to {
				return false
			}
		}
	}
	return true
}
