package arm64_test

import (
	"regexp"
	"strings"

	. "splitadd/internal/arm64"
)

var (
	registerAccess  = regexp.MustCompile(`^(ld|st)(a|ap|la|l|ll|apu|lu|u|t|x|ax|lx)?r(s?[bhw])?$`)
	pairAccess      = regexp.MustCompile(`^(ld|st)(n|x|ax|lx)?p(sw)?$`)
	structureAccess = regexp.MustCompile(`^(ld|st)([1-4])(r?)$`)
	atomicAccess    = regexp.MustCompile(`^(ldadd|ldclr|ldeor|ldset|ldsmax|ldsmin|ldumax|ldumin|swp|cas|casp)(a?)(l?)([bh]?)$`)
)

// modelMemory sets the effects of an instruction that accesses memory, and reports whether
// in is one.
func (in instruction) modelMemory(e *Effects) bool {
	m := &e.Mem
	ops, name := in.ops, in.name
	if name == "dc" && strings.Contains(in.text, "zva") || name == "sys" && strings.HasPrefix(in.text, "sys #3, c7, c4, #1,") {
		*m = Memory{Store: true, Block: true, Base: ops[len(ops)-1].reg, Index: NoRegister}
		addSource(e, ops[len(ops)-1])
		return true
	}
	var load bool
	status := 0 // operands before the transferred ones
	at := len(ops) - 1
	for at >= 0 && ops[at].kind != memory {
		at--
	}
	switch single, pair := registerAccess.FindStringSubmatch(name), pairAccess.FindStringSubmatch(name); {
	case name == "prfm" || name == "prfum":
		m.Prefetch = true
		in.modelAddress(e, max(at, 1))
		return true
	case atomicAccess.MatchString(name):
		in.modelAddress(e, at)
		in.modelAtomic(e, atomicAccess.FindStringSubmatch(name), at)
		return true
	case structureAccess.MatchString(name):
		s := structureAccess.FindStringSubmatch(name)
		in.modelStructures(e, s[1] == "ld", s[3] == "r")
		in.modelAddress(e, at)
		return true
	case single != nil || pair != nil:
		s := single
		if s == nil {
			s = pair
		}
		load = s[1] == "ld"
		ordered := strings.ContainsAny(s[2], "al")
		m.Exclusive, m.Acquire, m.Release = strings.Contains(s[2], "x"), ordered && load, ordered && !load
		if m.Exclusive && !load {
			status = 1
			addDestination(e, ops[0])
		}
		m.Signed = strings.HasPrefix(s[3], "s")
		m.Size = map[byte]uint8{0: 0, 'b': 1, 'h': 2, 'w': 4}[lastByte(s[3])]
	default:
		return false
	}
	if at < 0 {
		at = len(ops) - 1 // a literal
	}
	for _, o := range ops[status:at] {
		m.Regs[m.N], m.Vector = o.reg, o.kind == vectorReg
		m.N++
		if m.Size == 0 {
			m.Size = map[byte]uint8{wordReg: 4, longReg: 8, vectorReg: 1 << o.k}[o.kind]
		}
		if load {
			addDestination(e, o)
		} else {
			addSource(e, o)
		}
	}
	m.Load, m.Store = load, !load
	in.modelAddress(e, at)
	return true
}

func lastByte(s string) byte {
	if s == "" {
		return 0
	}
	return s[len(s)-1]
}

// modelAddress sets the address and the write-back. The operand with the address is at
// index at.
func (in instruction) modelAddress(e *Effects, at int) {
	m, o := &e.Mem, in.ops[at]
	m.Index = NoRegister
	if o.kind == label {
		m.Base, m.Disp = PC, int32(o.imm)
		return
	}
	m.Base = o.reg
	base := operand{kind: longReg, reg: o.reg}
	addSource(e, base)
	if m.Index = o.reg2; o.reg2 != NoRegister {
		m.Extend, m.Shift = o.ext, uint8(o.imm)
		kind := map[bool]byte{true: longReg, false: wordReg}[o.ext&1 == 1]
		addSource(e, operand{kind: kind, reg: o.reg2})
	} else {
		m.Disp = int32(o.imm)
	}
	post := at+1 < len(in.ops)
	if m.WritesBack = o.pre || post; m.WritesBack {
		addDestination(e, base)
		m.Increment = int32(o.imm)
	}
	if post {
		if by := in.ops[at+1]; by.kind == immediate {
			m.Increment = int32(by.imm)
		} else {
			m.Index, m.Extend = by.reg, UXTX
			addSource(e, by)
		}
	}
}

// modelStructures sets the transfers of LD1 to LD4, LD1R to LD4R, and ST1 to ST4.
func (in instruction) modelStructures(e *Effects, load, repeat bool) {
	m, o := &e.Mem, in.ops[0]
	m.Load, m.Store, m.Vector, m.Lane, m.Replicate = load, !load, true, o.lane, repeat
	for i := range o.n {
		m.Regs[i] = int8((int(o.reg) + i) & 31)
	}
	m.N, m.Size = uint8(o.n), 1<<o.k
	if o.lane || repeat {
		element := regexp.MustCompile(`v\d+\.\d*([bhsd])`).FindStringSubmatch(in.text)[1]
		m.Size = 1 << logarithms[element]
	}
	if load {
		addDestination(e, o)
	}
	if !load || o.lane {
		if load {
			o.k = 4
		}
		addSource(e, o)
	}
}

// modelAtomic sets the transfers of the atomic instructions of LSE.
func (in instruction) modelAtomic(e *Effects, name []string, at int) {
	m, ops := &e.Mem, in.ops[:at]
	m.Load, m.Store, m.Atomic, m.Acquire, m.Release = true, true, true, name[2] != "", name[3] != ""
	m.Size = map[byte]uint8{'w': 4, 'x': 8}[ops[0].kind]
	if name[4] != "" {
		m.Size = map[string]uint8{"b": 1, "h": 2}[name[4]]
	}
	m.N = uint8(len(ops))
	for i, o := range ops {
		switch compares := strings.HasPrefix(name[1], "cas"); {
		case compares:
			m.Regs[i] = o.reg
			addSource(e, o)
			if i < len(ops)/2 {
				addDestination(e, o)
			}
		case i == 0:
			addSource(e, o)
			m.Regs[1] = o.reg
		default:
			addDestination(e, o)
			m.Regs[0] = o.reg
		}
	}
}
