package window

import "splitadd/internal/arm64"

// stepFP follows an instruction that writes the frame pointer. It returns false if the
// new value may make a window: see Finder.disagree.
func (p *proof) stepFP(word uint32) bool {
	if rd, rn, n, ok := arm64.AddImmediate(word); ok && rd == arm64.FP && rn == arm64.SP {
		p.fp = n - p.below
		return p.fp == callersFP.n || n == -8 || n == -24
	}
	rn, n, load, ok := accessesFP(word)
	p.fp = callersFP.n
	return ok && load && rn == arm64.SP && p.savedAt != 0 && n-p.below == p.savedAt
}

// stepSave follows a store of the caller's frame pointer.
func (p *proof) stepSave(i int, word uint32) {
	rn, n, load, ok := accessesFP(word)
	if !ok || load {
		return
	}
	if p.savedAt = 0; rn == arm64.SP {
		p.savedAt = n - p.below
	} else if from, ok := p.valueBefore(i, rn, true); ok {
		p.savedAt = from + n - p.below
	}
}

// movesSP returns by how many bytes an instruction moves the stack pointer up.
func (p *proof) movesSP(i int, word uint32) (by int64, ok bool) {
	if rd, rn, n, ok := arm64.AddImmediate(word); ok && rd == arm64.SP {
		if rn == arm64.SP {
			return n, true
		}
		from, ok := p.valueBefore(i, rn, true)
		return from + n, ok
	}
	if rd, rn, rm, shift, sub, ok := arm64.AddRegister(word); ok && rd == arm64.SP && rn == arm64.SP && rm != arm64.SP && shift <= 4 {
		n, ok := p.valueBefore(i, rm, false)
		if n <<= shift; sub {
			n = -n
		}
		return n, ok
	}
	rn, n, exact, ok := arm64.Writeback(word)
	return n, ok && exact && rn == arm64.SP
}

// valueBefore returns the value that the instructions before i give a register: a distance
// from the stack pointer, or a constant. It shuts these instructions for branches.
func (p *proof) valueBefore(i, r int, distance bool) (n int64, ok bool) {
	const most = 8
	for j := i - 1; j >= max(i-most, p.written); j-- {
		word := wordAt(p.code, j)
		if flow, _, _ := arm64.FlowOf(word); flow != arm64.FlowNext {
			return 0, false
		}
		if !arm64.Writes(word).Has(r) {
			continue
		}
		p.noEntry = append(p.noEntry, span{j + 1, i + 1})
		if rd, rn, more, ok := arm64.AddImmediate(word); ok && rd == r && distance {
			if n += more; rn == arm64.SP {
				return n, true
			} else if rn == r {
				continue
			}
			return 0, false
		}
		if distance {
			return 0, false
		}
		if rd, bits, ok := arm64.MoveBitmask(word); ok && rd == r {
			return int64(bits), true
		}
		rd, value, keeps, ok := arm64.MoveWide(word)
		if !ok || rd != r {
			return 0, false
		}
		if keeps {
			var before int64
			if before, ok = p.valueBefore(j, r, false); !ok {
				return 0, false
			}
			return int64(value(uint64(before))), true
		}
		return int64(value(0)), true
	}
	return 0, false
}
