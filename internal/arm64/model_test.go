package arm64_test

import (
	"slices"
	"strings"

	. "splitadd/internal/arm64"
)

// This file and the others named model_*_test.go derive effects from mnemonics and operands
// alone. They do not use encodings, so they are independent of Decode.

// wordSet returns the set of the words in s.
func wordSet(s string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(s) {
		set[w] = true
	}
	return set
}

var (
	// No operand is written.
	readOnly = wordSet(`cmp cmn tst ccmp ccmn fcmp fcmpe fccmp fccmpe cbz cbnz tbz tbnz b bl br blr ret msr svc brk hlt
		hint nop yield wfe wfi sev sevl dsb dmb isb sb clrex udf prfm prfum sys dc ic setf8 setf16 rmif cfinv axflag xaflag
		csdb ssbb pssbb esb dgh bti psb tsb`)
	// The first operand is written, and read.
	accumulate = wordSet(`movk bfm bfi bfxil bfc mla mls smlal smlal2 smlsl smlsl2 umlal umlal2 umlsl umlsl2 sqdmlal sqdmlal2
		sqdmlsl sqdmlsl2 saba uaba sabal sabal2 uabal uabal2 sadalp uadalp ssra usra srsra ursra sri sli fmla fmls bsl bit bif
		suqadd usqadd aese aesd sha1c sha1m sha1p sha1su0 sha1su1 sha256h sha256h2 sha256su0 sha256su1 sha512h sha512h2
		sha512su0 sha512su1 sdot udot sqrdmlah sqrdmlsh tbx`)
	// The upper half of the first operand is written, and the lower half is kept.
	upperHalf = wordSet(`xtn2 sqxtn2 uqxtn2 sqxtun2 shrn2 rshrn2 sqshrn2 sqrshrn2 sqshrun2 sqrshrun2 uqshrn2 uqrshrn2
		addhn2 subhn2 raddhn2 rsubhn2 fcvtn2 fcvtxn2`)
	writesFlags = wordSet(`adds subs ands bics adcs sbcs negs ngcs cmp cmn tst ccmp ccmn fcmp fcmpe fccmp fccmpe setf8 setf16
		rmif cfinv axflag xaflag fjcvtzs`)
	readsFlags = wordSet(`adc adcs sbc sbcs ngc ngcs csel csinc csinv csneg cset csetm cinc cinv cneg ccmp ccmn fcsel fccmp
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
			addDestination(e, o)
			switch {
			case accumulate[name], (name == "orr" || name == "bic") && o.kind == vectorReg && len(in.ops) > 1 && in.ops[1].kind == immediate:
				addSource(e, o)
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
		addSource(e, o)
	}
	switch name {
	case "bl", "blr":
		addDestination(e, operand{kind: longReg, reg: LR})
	case "ret":
		if len(in.ops) == 0 {
			addSource(e, operand{kind: longReg, reg: LR})
		}
	}
	in.modelHint(e)
	return *e
}

// modelHint sets the effects of pointer authentication in hint space.
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
	addDestination(e, operand{kind: longReg, reg: changed})
	addSource(e, operand{kind: longReg, reg: changed})
	addSource(e, operand{kind: longReg, reg: modifier})
}

// addSource records that an operand is read.
func addSource(e *Effects, o operand) {
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

// addDestination records that an operand is written.
func addDestination(e *Effects, o operand) {
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

// modelJump sets the transfer of control.
func (in instruction) modelJump(e *Effects) {
	j, last := Jump{Reg: NoRegister}, operand{}
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
