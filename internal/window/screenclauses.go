package window

import "splitadd/internal/arm64"

// maxSequence is more than the instructions of any sequence that uses R27.
const maxSequence = 8

// tempIsFresh reports whether an instruction does not read R27, or reads a value that an
// instruction right before it has put there, with no safe point between them.
func (s *screen) tempIsFresh(i int, w uint32) bool {
	e, ok := arm64.Decode(w)
	if ok && !e.Reads.Has(arm64.R27) {
		return true
	}
	if !ok {
		return false
	}
	for from := i - 1; from >= max(0, i-maxSequence); from-- {
		if !arm64.Writes(wordAt(s.code, from)).Has(arm64.R27) {
			continue
		}
		for at := from + 1; at <= i; at++ {
			if !s.isSheltered(from, at) {
				return false
			}
		}
		return true
	}
	return false
}

// belowStack reports whether an instruction stores or loads below the stack
// pointer, where a preemption may write. A store of R29 or R30 through a register other
// than the stack pointer counts if the stack pointer is written to right after it.
func (s *screen) belowStack(i int, w uint32) (store, load bool) {
	a, ok := arm64.AccessOf(w)
	if !ok {
		return false, false
	}
	if a.Rn != arm64.SP {
		link := a.Rt == arm64.LR || a.Rt == arm64.FP || a.Rt2 == arm64.LR || a.Rt2 == arm64.FP
		bad := link && !a.Load && !s.shelteredToStack(i)
		return bad, bad
	}
	_, _, _, writeback := arm64.Writeback(w)
	if a.Offset >= -pushCallLeaves || writeback {
		return false, false
	}
	return !a.Load, a.Load
}

// shelteredToStack reports whether one of the next few instructions after i writes the
// stack pointer, and the runtime does not preempt before that.
func (s *screen) shelteredToStack(i int) bool {
	const few = 4
	for at := i + 1; at <= i+few; at++ {
		if 4*at >= len(s.code) || !s.isSheltered(-1, at) {
			return false
		}
		if arm64.Writes(wordAt(s.code, at)).Has(arm64.SP) {
			return true
		}
	}
	return false
}

// flagIsSheltered reports whether an ADRP is harmless. It is if it does not lead to a load of the
// write barrier's flag, or if every instruction from that load up to the last guarded
// store is sheltered.
func (s *screen) flagIsSheltered(i int, flag barrierFlag) bool {
	s.f.file.Budget.Work(maxFlagDistance)
	found, load := readFlagAt(s.code, s.fn.Entry, i)
	if found != flag {
		return true
	}
	s.f.file.Budget.Work(maxBlock)
	s.body.fn, s.body.code = s.fn, s.code
	for _, at := range s.body.guardedStores(load) {
		if !s.isSheltered(load, at) {
			return false
		}
	}
	return true
}

// restartsBadly reports whether the function may have a restartable sequence that
// overwrites its input. One that only writes R27 before its last instruction, and
// begins by doing so, does not.
func (s *screen) restartsBadly() bool {
	from := s.fn.Entry
	for _, v := range s.unsafe {
		begin, end := from, min(v.End, s.pc(len(s.code)/4))
		if from = v.End; end <= begin+4 {
			continue
		}
		resume, why := s.fn.ResumePC(begin+4, v.Value, begin)
		if why != "" || resume == begin+4 {
			continue
		}
		if resume != begin || end-4-begin > maxRestart {
			return true
		}
		for pc := begin; pc < end-4; pc += 4 {
			if !onlyMakesTemp(wordAt(s.code, int(pc-s.fn.Entry)/4), pc == begin) {
				return true
			}
		}
	}
	return false
}

// onlyMakesTemp reports whether a word does nothing but write R27. The first word of a
// sequence must not read R27 either.
func onlyMakesTemp(w uint32, first bool) bool {
	if w&31 != arm64.R27 {
		return false
	}
	e, ok := arm64.Decode(w)
	vectors := e.VWrites.All()
	return ok && e.Writes == 1<<arm64.R27 && vectors == 0 && !e.WritesFlags && !e.Mem.Store &&
		e.Jump.Kind == arm64.JumpNone && !(first && e.Reads.Has(arm64.R27))
}
