package arm64_test

import (
	"regexp"
	"slices"
	"strings"

	. "splitadd/internal/arm64"
)

// A model of effects that knows nothing of encodings: from the mnemonic, which
// operands are read and written.

func words(s string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(s) {
		set[w] = true
	}
	return set
}

var (
	// Nothing is written by an operand.
	readOnly = words(`cmp cmn tst ccmp ccmn fcmp fcmpe fccmp fccmpe cbz cbnz tbz tbnz b bl br blr ret msr svc brk hlt
		hint nop yield wfe wfi sev sevl dsb dmb isb sb clrex udf prfm prfum sys dc ic setf8 setf16 rmif cfinv axflag xaflag
		csdb ssbb pssbb esb dgh bti psb tsb`)
	// The first operand is written, and read.
	accumulate = words(`movk bfm bfi bfxil bfc mla mls smlal smlal2 smlsl smlsl2 umlal umlal2 umlsl umlsl2 sqdmlal sqdmlal2
		sqdmlsl sqdmlsl2 saba uaba sabal sabal2 uabal uabal2 sadalp uadalp ssra usra srsra ursra sri sli fmla fmls bsl bit bif
		suqadd usqadd aese aesd sha1c sha1m sha1p sha1su0 sha1su1 sha256h sha256h2 sha256su0 sha256su1 sha512h sha512h2
		sha512su0 sha512su1 sdot udot sqrdmlah sqrdmlsh tbx`)
	// The upper half of the first operand is written, the lower one kept.
	upperHalf = words(`xtn2 sqxtn2 uqxtn2 sqxtun2 shrn2 rshrn2 sqshrn2 sqrshrn2 sqshrun2 sqrshrun2 uqshrn2 uqrshrn2
		addhn2 subhn2 raddhn2 rsubhn2 fcvtn2 fcvtxn2`)
	writesFlags = words(`adds subs ands bics adcs sbcs negs ngcs cmp cmn tst ccmp ccmn fcmp fcmpe fccmp fccmpe setf8 setf16
		rmif cfinv axflag xaflag fjcvtzs`)
	readsFlags = words(`adc adcs sbc sbcs ngc ngcs csel csinc csinv csneg cset csetm cinc cinv cneg ccmp ccmn fcsel fccmp
		fccmpe rmif setf8 setf16 cfinv axflag xaflag`)
)

// model returns the effects of a disassembled instruction, without Sys and
// SysReg, and without Value, which modelValue gives.
func (in instruction) model() Effects {
	e := &Effects{}
	name := in.name
	e.ReadsFlags = readsFlags[name] || strings.HasPrefix(name, "b.") || name == "b" && len(in.ops) == 2
	e.WritesFlags = writesFlags[name]
	in.modelJump(e)
	if in.modelMemory(e) {
		return *e
	}
	for i, o := range in.ops {
		if i == 0 && !readOnly[name] {
			gives(e, o)
			switch {
			case accumulate[name], (name == "orr" || name == "bic") && o.kind == vectorReg && len(in.ops) > 1 && in.ops[1].kind == immediate:
				takes(e, o)
			case upperHalf[name], name == "fmov" && o.lane:
				e.VReads[3] |= 1 << o.reg
			case o.lane:
				e.VReads[4] |= 1 << o.reg
			}
			continue
		}
		switch name { // as encoded, the source is as wide as the destination
		case "sxtb", "sxth", "sxtw", "uxtb", "uxth", "uxtw":
			o.kind = in.ops[0].kind
		}
		takes(e, o)
	}
	switch name {
	case "bl", "blr":
		gives(e, operand{kind: longReg, reg: LR})
	case "ret":
		if len(in.ops) == 0 {
			takes(e, operand{kind: longReg, reg: LR})
		}
	}
	in.modelHint(e)
	return *e
}

// modelHint gives what the pointer authentication in hint space does.
func (in instruction) modelHint(e *Effects) {
	if in.name != "hint" {
		return
	}
	var changed, modifier int8
	switch in.ops[0].imm {
	case 7, 24, 26, 28, 30:
		changed, modifier = LR, ZR
	case 25, 27, 29, 31:
		changed, modifier = LR, SP
	case 8, 10, 12, 14:
		changed, modifier = 17, 16
	default:
		return
	}
	gives(e, operand{kind: longReg, reg: changed})
	takes(e, operand{kind: longReg, reg: changed})
	takes(e, operand{kind: longReg, reg: modifier})
}

// takes notes that an operand is read.
func takes(e *Effects, o operand) {
	switch o.kind {
	case wordReg, longReg:
		if o.reg != ZR {
			e.Reads |= 1 << o.reg
			if o.kind == longReg {
				e.Reads64 |= 1 << o.reg
			}
		}
	case vectorReg:
		for i := range o.n {
			e.VReads[o.k] |= 1 << ((int(o.reg) + i) & 31)
		}
	}
}

// gives notes that an operand is written.
func gives(e *Effects, o operand) {
	switch o.kind {
	case wordReg, longReg:
		if o.reg != ZR {
			e.Writes |= 1 << o.reg
			if o.kind == longReg {
				e.Writes64 |= 1 << o.reg
			}
		}
	case vectorReg:
		k := o.k
		if o.lane {
			k = 4
		}
		for i := range o.n {
			e.VWrites[k] |= 1 << ((int(o.reg) + i) & 31)
		}
	}
}

var conditions = strings.Fields("eq ne cs cc mi pl vs vc hi ls ge lt gt le al nv")

// modelJump gives the transfer of control.
func (in instruction) modelJump(e *Effects) {
	j, last := Jump{Reg: None}, operand{}
	if len(in.ops) > 0 {
		last = in.ops[len(in.ops)-1]
	}
	switch name := in.name; {
	case name == "b" && len(in.ops) == 2, strings.HasPrefix(name, "b."):
		j.Kind = JumpCond
		condition := strings.Trim(strings.TrimPrefix(strings.Split(in.text, ",")[0], "b"), ". ")
		if condition, _, _ = strings.Cut(condition, " "); condition != "" {
			j.Arg = uint8(slices.Index(conditions, condition))
		}
	case name == "b":
		j.Kind = JumpAlways
	case name == "bl":
		j.Kind = JumpCall
	case name == "cbz", name == "cbnz", name == "tbz", name == "tbnz":
		j.Kind = map[string]JumpKind{"cbz": JumpZero, "cbnz": JumpNonzero, "tbz": JumpBitClear, "tbnz": JumpBitSet}[name]
		if j.Reg = in.ops[0].reg; name[0] == 't' {
			j.Arg = uint8(in.ops[1].imm)
		}
	case name == "br", name == "blr", name == "ret":
		j.Kind = map[string]JumpKind{"br": JumpReg, "blr": JumpCallReg, "ret": JumpReturn}[name]
		if j.Reg = LR; len(in.ops) > 0 {
			j.Reg = in.ops[0].reg
		}
	case name == "brk", name == "hlt", name == "udf":
		j.Kind = JumpTrap
	default:
		return
	}
	if j.Kind.Direct() {
		j.Offset = int32(last.imm)
	}
	e.Jump = j
}

var (
	singles  = regexp.MustCompile(`^(ld|st)(a|ap|la|l|ll|apu|lu|u|t|x|ax|lx)?r(s?[bhw])?$`)
	pairs    = regexp.MustCompile(`^(ld|st)(n|x|ax|lx)?p(sw)?$`)
	several  = regexp.MustCompile(`^(ld|st)([1-4])(r?)$`)
	modifies = regexp.MustCompile(`^(ldadd|ldclr|ldeor|ldset|ldsmax|ldsmin|ldumax|ldumin|swp|cas|casp)(a?)(l?)([bh]?)$`)
)

// modelMemory gives the effects of an instruction that accesses memory.
func (in instruction) modelMemory(e *Effects) bool {
	m := &e.Mem
	ops, name := in.ops, in.name
	if name == "dc" && strings.Contains(in.text, "zva") || name == "sys" && strings.HasPrefix(in.text, "sys #3, c7, c4, #1,") {
		*m = Memory{Store: true, Block: true, Base: ops[len(ops)-1].reg, Index: None}
		takes(e, ops[len(ops)-1])
		return true
	}
	var load bool
	status := 0 // operands before the transferred ones
	at := len(ops) - 1
	for at >= 0 && ops[at].kind != memory {
		at--
	}
	switch single, pair := singles.FindStringSubmatch(name), pairs.FindStringSubmatch(name); {
	case name == "prfm" || name == "prfum":
		m.Prefetch = true
		in.modelAddress(e, max(at, 1))
		return true
	case modifies.MatchString(name):
		in.modelAddress(e, at)
		in.modelAtomic(e, modifies.FindStringSubmatch(name), at)
		return true
	case several.MatchString(name):
		s := several.FindStringSubmatch(name)
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
			gives(e, ops[0])
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
			gives(e, o)
		} else {
			takes(e, o)
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

// modelAddress gives the address and what is written back.
func (in instruction) modelAddress(e *Effects, at int) {
	m, o := &e.Mem, in.ops[at]
	m.Index = None
	if o.kind == label {
		m.Base, m.Disp = PC, int32(o.imm)
		return
	}
	m.Base = o.reg
	base := operand{kind: longReg, reg: o.reg}
	takes(e, base)
	if m.Index = o.reg2; o.reg2 != None {
		m.Extend, m.Shift = o.ext, uint8(o.imm)
		kind := map[bool]byte{true: longReg, false: wordReg}[o.ext&1 == 1]
		takes(e, operand{kind: kind, reg: o.reg2})
	} else {
		m.Disp = int32(o.imm)
	}
	post := at+1 < len(in.ops)
	if m.Updates = o.pre || post; m.Updates {
		gives(e, base)
		m.By = int32(o.imm)
	}
	if post {
		if by := in.ops[at+1]; by.kind == immediate {
			m.By = int32(by.imm)
		} else {
			m.Index, m.Extend = by.reg, UXTX
			takes(e, by)
		}
	}
}

// modelStructures gives the transfers of LD1 to LD4R and ST1 to ST4.
func (in instruction) modelStructures(e *Effects, load, repeat bool) {
	m, o := &e.Mem, in.ops[0]
	m.Load, m.Store, m.Vector, m.Lane, m.Repeat = load, !load, true, o.lane, repeat
	for i := range o.n {
		m.Regs[i] = int8((int(o.reg) + i) & 31)
	}
	m.N, m.Size = uint8(o.n), 1<<o.k
	if o.lane || repeat {
		element := regexp.MustCompile(`v\d+\.\d*([bhsd])`).FindStringSubmatch(in.text)[1]
		m.Size = 1 << logarithms[element]
	}
	if load {
		gives(e, o)
	}
	if !load || o.lane {
		if load {
			o.k = 4
		}
		takes(e, o)
	}
}

// modelAtomic gives the transfers of the instructions of LSE.
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
			takes(e, o)
			if i < len(ops)/2 {
				gives(e, o)
			}
		case i == 0:
			takes(e, o)
			m.Regs[1] = o.reg
		default:
			gives(e, o)
			m.Regs[0] = o.reg
		}
	}
}
