package arm64

// structures decodes "Advanced SIMD load/store multiple structures" and "Advanced SIMD
// load/store single structure", and their post-indexed forms.
func (e *Effects) structures(w uint32) bool {
	m, post := &e.Mem, bit(w, 23)
	if !post && field(w, 16, 5) != 0 {
		return false
	}
	m.Base = regOrSP(w, 5)
	e.addRead(m.Base, true)
	var ok bool
	if bit(w, 24) {
		ok = e.singleStructure(w)
	} else {
		ok = !bit(w, 21) && e.multipleStructures(w)
	}
	if post && ok {
		if rm := field(w, 16, 5); rm == 31 {
			e.writeBack(m.Base, int32(m.Bytes()))
		} else {
			m.Index, m.Extend = int8(rm), UXTX
			e.addRead(m.Index, true)
			e.writeBack(m.Base, 0)
		}
	}
	return ok
}

// multipleStructures records LD1 to LD4 and ST1 to ST4 of whole registers.
func (e *Effects) multipleStructures(w uint32) bool {
	var n uint32
	switch field(w, 12, 4) {
	case 0, 2: // LD4; LD1 of four
		n = 4
	case 4, 6:
		n = 3
	case 8, 10:
		n = 2
	case 7:
		n = 1
	default:
		return false
	}
	k := 3 + field(w, 30, 1)
	if field(w, 10, 2) == 3 && k == 3 && !bit(w, 13) { // one 64-bit lane is for LD1 only
		return false
	}
	for i := range n {
		e.transferVector((w&31+i)&31, 0, k, bit(w, 22))
	}
	return true
}

// singleStructure records LD1 to LD4 and ST1 to ST4 of one lane, of which the loads keep
// the other lanes, and LD1R to LD4R, which write all lanes.
func (e *Effects) singleStructure(w uint32) bool {
	m, load, q := &e.Mem, bit(w, 22), field(w, 30, 1)
	n := field(w, 13, 1)<<1 + field(w, 21, 1) + 1
	s, size := field(w, 12, 1), field(w, 10, 2)
	k, index := uint32(0), q<<3|s<<2|size
	switch field(w, 14, 2) {
	case 0:
	case 1:
		if k, index = 1, index>>1; size&1 != 0 {
			return false
		}
	case 2:
		switch {
		case size == 0:
			k, index = 2, q<<1|s
		case size == 1 && s == 0:
			k, index = 3, q
		default:
			return false
		}
	case 3:
		if !load || s != 0 {
			return false
		}
		m.Replicate = true
		k = size
	}
	m.Vector, m.Lane, m.Load, m.Store, m.Size = true, !m.Replicate, load, !load, 1<<k
	for i := range n {
		r := (w + i) & 31
		m.Regs[m.N] = int8(r)
		m.N++
		switch {
		case m.Replicate:
			e.addVWrite(r, 0, 3+q)
		case load:
			e.addVRead(r, 0, 4)
			e.addVWrite(r, 0, 4)
		default:
			e.addVRead(r, 0, log2Through(index, k))
		}
	}
	return true
}

// log2Through returns the smallest n such that the low 1<<n bytes of a vector register hold
// lane index, of 1<<k bytes.
func log2Through(index, k uint32) uint32 {
	end := (index + 1) << k
	for n := uint32(0); ; n++ {
		if 1<<n >= end {
			return n
		}
	}
}
