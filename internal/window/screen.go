package window

import (
	"splitadd/internal/arm64"
	"splitadd/internal/pclntab"
)

// A screen shows that a function keeps clauses 3 to 7, from its words and the table of
// unsafe points alone. It succeeds for most functions. The checkers of the clauses look
// at the others.
type screen struct {
	f      *Finder
	fn     pclntab.Func
	code   []byte
	unsafe pclntab.PCValues // reused
	cursor pclntab.Cursor
	body   body
}

// A clauseSet is a set of clauses that a function may break: bit n is clause n.
type clauseSet uint8

func (s clauseSet) has(clause int) bool { return s>>clause&1 != 0 }

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

// The lowest bits of the fields of a word that may name a register.
const (
	fieldRd = 1
	fieldRn = 1 << 5
	fieldRa = 1 << 10
	fieldRm = 1 << 16
	fields  = fieldRd | fieldRn | fieldRa | fieldRm
)

// readFields holds, by a word's top byte, the fields that may name a general register
// that is read: all of them, except in the most frequent groups of instructions.
var readFields = func() (table [1 << 8]uint32) {
	for top := range table {
		switch {
		case top&0x7c == 0x14, top == 0x54: // B, BL, B.cond
		case top&0x9f == 0x90, top&0x9f == 0x10: // ADRP, ADR
		case top&0x7e == 0x34, top&0x7e == 0x36: // CBZ, TBZ
			table[top] = fieldRd
		case top&0x1f == 0x12: // MOVN, MOVZ, MOVK; AND, ORR, EOR of an immediate
			table[top] = fieldRd | fieldRn
		case top&0x1f == 0x11, top&0x7f == 0x71: // ADD, SUB of an immediate
			table[top] = fieldRn
		case top&0x3b == 0x39: // a load or store with an unsigned offset
			table[top] = fieldRd | fieldRn
		default:
			table[top] = fields
		}
	}
	return table
}()

// mayReadTemp reports whether a word may read R27. It has false alarms: a field may be
// something else.
func mayReadTemp(w uint32) bool {
	x := w ^ arm64.R27*fields   // a field that names it becomes 0
	pairs := w>>24&0x3f == 0x08 // CASP, which also reads the registers that follow
	return (x-fields)&^x&(readFields[w>>24]<<4) != 0 || pairs
}

// suspects returns the clauses that a function may break.
func (s *screen) suspects(f *Finder, fn pclntab.Func, code []byte) (found clauseSet) {
	var err error
	if s.unsafe, err = fn.AppendUnsafePoints(s.unsafe[:0]); err != nil {
		return ^clauseSet(0)
	}
	s.f, s.fn, s.code, s.cursor = f, fn, code, fn.Cursor(s.unsafe)
	if len(code) < 8 {
		return 0 // it has no boundary except at the entry and at the return
	}
	f.file.Budget.Work(len(code) / 4)
	p := f.preemption()
	if !p.restoresUsual {
		found |= 1 << 4
	}
	flag := f.flag()
	link := f.scansLink() != yes
	stores, loads := false, false // below the stack pointer
	for at := 0; at+3 < len(code); at += 4 {
		w := uint32(code[at]) | uint32(code[at+1])<<8 | uint32(code[at+2])<<16 | uint32(code[at+3])<<24
		i := at / 4
		if mayReadTemp(w) && !found.has(4) && !s.tempIsFresh(i, w) {
			found |= 1 << 4
		}
		interest := interests[w>>24<<5&0x1fe0|w&31]
		if interest == 0 {
			continue
		}
		if interest&usesLink != 0 && link && !found.has(5) && allocatesLink(w) {
			found |= 1 << 5
		}
		if interest&usesPage != 0 && flag.known && s.page(i, w) == flag.addr&^0xfff && !found.has(7) && !s.flagIsSheltered(i, flag) {
			found |= 1 << 7
		}
		if interest&usesVector != 0 && p.upper == 0 && accessesUpperHalf(w) {
			found |= 1 << 4
		}
		if interest&usesStack != 0 && !found.has(3) {
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

func (s *screen) pc(i int) uint64 { return s.fn.Entry + uint64(4*i) }

// isSheltered reports whether a preemption before instruction at is forbidden, or
// makes the goroutine go on at instruction i or before it.
func (s *screen) isSheltered(i, at int) bool {
	if 4*at >= len(s.code) {
		return true
	}
	value, from := s.cursor.At(s.pc(at))
	resume, why := s.fn.ResumePC(s.pc(at), value, from)
	return why != "" || resume <= s.pc(i)
}

// allocatesLink reports whether a word puts something other than the return
// address from the bottom of the frame into R30.
func allocatesLink(w uint32) bool {
	if !arm64.Writes(w).Has(arm64.LR) {
		return false
	}
	if flow, _, _ := arm64.FlowOf(w); flow == arm64.FlowCall {
		return false
	}
	a, ok := arm64.AccessOf(w)
	switch {
	case !ok || a.Rn != arm64.SP:
		return true
	case a.Rt == arm64.LR:
		return a.Offset != 0
	}
	return a.Offset != -8
}

// page returns the page that an ADRP computes.
func (s *screen) page(i int, w uint32) uint64 {
	n := int64(w>>5&0x7ffff)<<2 | int64(w>>29&3)
	return s.pc(i)&^0xfff + uint64(n<<43>>43<<12)
}

// accessesUpperHalf reports whether a load or store transfers more than 64 bits of a vector
// register.
func accessesUpperHalf(w uint32) bool {
	e, ok := arm64.Decode(w)
	if !ok {
		return true
	}
	writes, reads := e.VWrites.Upper(), e.VReads.Upper()
	return writes|reads != 0
}
