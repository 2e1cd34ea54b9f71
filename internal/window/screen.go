package window

import (
	"splitadd/internal/arm64"
	"splitadd/internal/pclntab"
)

// A screen shows of most functions, from their words and the table of unsafe
// points alone, that they keep clauses 3 to 7. What it cannot show is left to
// the checkers of the clauses.
type screen struct {
	f      *Finder
	fn     pclntab.Func
	code   []byte
	unsafe pclntab.Values // reused
	cursor pclntab.Cursor
	body   body
}

// A suspicion is a set of clauses that a function may break: bit n is clause n.
type suspicion uint8

func (s suspicion) of(clause int) bool { return s>>clause&1 != 0 }

// Interests of the screen in a word, by its top byte and low five bits.
const (
	usesLink   = 1 << iota // may write or store R30
	usesPage               // ADRP
	usesVector             // a load or store of more than 64 bits of a vector register
	usesStack              // a load or store that may go below the stack pointer
)

// interests holds the interests in a word w at w>>24<<5 | w&31.
var interests = func() (table [1 << 13]uint8) {
	for i := range table {
		top, low := i>>5, i&31
		loadStore := top&0x0a == 0x08
		vector := top&0x0e == 0x0e || loadStore && top&4 != 0
		branch := top&0x1c == 0x14
		if !vector && !branch && low == arm64.LR || !vector && top&0x3a == 0x28 { // a pair has a second register
			table[i] |= usesLink
		}
		if top&0x9f == 0x90 {
			table[i] |= usesPage
		}
		if loadStore && vector && (top>>6 == 0 && top&0x3b != 0x28 || top>>6 == 2) {
			table[i] |= usesVector
		}
		if top == 0xf8 || top == 0xa9 {
			table[i] |= usesStack
		}
	}
	return table
}()

// hasTemp reports whether one of the fields of a word that may name a register
// names R27: bits 0, 5, 10 and 16 and the four above each. It has false alarms.
func hasTemp(w uint32) bool {
	const lowest = 1 | 1<<5 | 1<<10 | 1<<16
	x := w ^ arm64.R27*lowest // a field that names it becomes 0
	return (x-lowest)&^x&(lowest<<4) != 0
}

// suspects returns the clauses that a function may break.
func (s *screen) suspects(f *Finder, fn pclntab.Func, code []byte) (found suspicion) {
	var err error
	if s.unsafe, err = fn.AppendUnsafePoints(s.unsafe[:0]); err != nil {
		return ^suspicion(0)
	}
	s.f, s.fn, s.code, s.cursor = f, fn, code, fn.Cursor(s.unsafe)
	if len(code) < 8 {
		return 0 // no boundary but the entry's and the return's
	}
	f.file.Budget.Work(len(code) / 4)
	p := f.preemption()
	if !p.usual {
		found |= 1 << 4
	}
	flag := f.flag()
	link := f.scansLink() != yes
	stores, loads := false, false // below the stack pointer
	for at := 0; at+3 < len(code); at += 4 {
		w := uint32(code[at]) | uint32(code[at+1])<<8 | uint32(code[at+2])<<16 | uint32(code[at+3])<<24
		i := at / 4
		if hasTemp(w) && !found.of(4) && !s.tempIsFresh(i, w) {
			found |= 1 << 4
		}
		interest := interests[w>>24<<5&0x1fe0|w&31]
		if interest == 0 {
			continue
		}
		if interest&usesLink != 0 && link && !found.of(5) && allocatesLink(w) {
			found |= 1 << 5
		}
		if interest&usesPage != 0 && flag.known && s.page(i, w) == flag.addr&^0xfff && !found.of(7) && !s.guards(i, flag) {
			found |= 1 << 7
		}
		if interest&usesVector != 0 && p.upper == 0 && wide(w) {
			found |= 1 << 4
		}
		if interest&usesStack != 0 && !found.of(3) {
			store, load := s.belowStack(i, w)
			if stores, loads = stores || store, loads || load; stores && loads {
				found |= 1 << 3
			}
		}
	}
	if s.restartsBadly() {
		found |= 1 << 6
	}
	return found
}

// maxSequence is more than the instructions of any sequence that uses R27.
const maxSequence = 8

// tempIsFresh reports whether an instruction does not read R27, or reads what an
// instruction right before it has put there, without a preemption between them.
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
			if !s.sheltered(from, at) {
				return false
			}
		}
		return true
	}
	return false
}

func (s *screen) pc(i int) uint64 { return s.fn.Entry + uint64(4*i) }

// sheltered reports whether a preemption before instruction at is forbidden, or
// makes the goroutine go on at instruction i or before it.
func (s *screen) sheltered(i, at int) bool {
	if 4*at >= len(s.code) {
		return true
	}
	value, from := s.cursor.At(s.pc(at))
	resume, why := s.fn.Resumes(s.pc(at), value, from)
	return why != "" || resume <= s.pc(i)
}

// allocatesLink reports whether a word puts something other than the return
// address from the bottom of the frame into R30.
func allocatesLink(w uint32) bool {
	if !arm64.Writes(w).Has(arm64.LR) {
		return false
	}
	if flow, _, _ := arm64.Control(w); flow == arm64.Call {
		return false
	}
	a, ok := arm64.AccessOf(w)
	switch {
	case !ok || a.Rn != arm64.SP:
		return true
	case a.Rt == arm64.LR:
		return a.N != 0
	}
	return a.N != -8
}

// page returns the page that an ADRP computes.
func (s *screen) page(i int, w uint32) uint64 {
	n := int64(w>>5&0x7ffff)<<2 | int64(w>>29&3)
	return s.pc(i)&^0xfff + uint64(n<<43>>43<<12)
}

// wide reports whether a load or store transfers more than 64 bits of a vector
// register.
func wide(w uint32) bool {
	e, ok := arm64.Decode(w)
	if !ok {
		return true
	}
	writes, reads := e.VWrites.Upper(), e.VReads.Upper()
	return writes|reads != 0
}

// belowStack reports whether an instruction stores or loads below the stack
// pointer, where a preemption may write. A store by another register than the
// stack pointer, of R29 or R30, is one if the stack pointer is written to right
// after it.
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
	if a.N >= -spared || writeback {
		return false, false
	}
	return !a.Load, a.Load
}

// shelteredToStack reports whether no preemption is allowed from after
// instruction i until the stack pointer is written to, which is one of the next
// few instructions.
func (s *screen) shelteredToStack(i int) bool {
	const few = 4
	for at := i + 1; at <= i+few; at++ {
		if 4*at >= len(s.code) || !s.sheltered(-1, at) {
			return false
		}
		if arm64.Writes(wordAt(s.code, at)).Has(arm64.SP) {
			return true
		}
	}
	return false
}

// guards reports whether what an ADRP leads to is a load of the flag of the write
// barrier that is sheltered up to the last guarded store, or something else.
func (s *screen) guards(i int, flag barrierFlag) bool {
	s.f.file.Budget.Work(reach)
	found, load := flagAt(s.code, s.fn.Entry, i)
	if found != flag {
		return true
	}
	s.f.file.Budget.Work(maxBlock)
	s.body.fn, s.body.code = s.fn, s.code
	for _, at := range s.body.guarded(load) {
		if !s.sheltered(load, at) {
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
		resume, why := s.fn.Resumes(begin+4, v.Value, begin)
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

// onlyMakesTemp reports whether a word does nothing but write R27, and if it is
// the first of a sequence does not read it.
func onlyMakesTemp(w uint32, first bool) bool {
	if w&31 != arm64.R27 {
		return false
	}
	e, ok := arm64.Decode(w)
	vectors := e.VWrites.All()
	return ok && e.Writes == 1<<arm64.R27 && vectors == 0 && !e.WritesFlags && !e.Mem.Store &&
		e.Jump.Kind == arm64.JumpNone && !(first && e.Reads.Has(arm64.R27))
}
