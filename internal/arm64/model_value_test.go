package arm64_test

import (
	"strings"

	. "splitadd/internal/arm64"
)

// modelSys returns the kind of a system instruction.
func (in instruction) modelSys() Sys {
	switch in.name {
	case "hint":
		switch n := in.ops[0].imm; {
		case n == 7, n >= 24 && n < 32, n == 8, n == 10, n == 12, n == 14:
			return SysAuth
		}
		return SysHint
	case "nop", "yield", "wfe", "wfi", "sev", "sevl":
		return SysHint
	case "dmb", "dsb", "isb", "sb", "clrex":
		return SysBarrier
	case "mrs":
		return SysMRS
	case "msr", "cfinv", "axflag", "xaflag":
		return SysMSR
	case "sys", "dc", "ic":
		if strings.HasPrefix(in.text, "sys #3, c7, c4, #1,") || strings.Contains(in.text, "zva") {
			return SysZeroBlock
		}
		return SysCache
	case "svc":
		return SysSupervisorCall
	case "brk", "hlt", "udf":
		return SysBreak
	}
	return SysNone
}

// modelValue returns the result of an instruction that is not an alias.
func (in instruction) modelValue() Value {
	ops, name := in.ops, in.name
	if len(ops) < 2 || ops[0].reg == ZR {
		return Value{}
	}
	v := Value{Rd: ops[0].reg}
	general := func(i int) bool { return len(ops) > i && (ops[i].kind == wordReg || ops[i].kind == longReg) }
	narrow := ops[0].kind == wordReg
	switch name {
	case "add", "adds", "sub", "subs":
		if general(0) {
			return in.modelSum(v)
		}
	case "orr":
		zero := ops[1].kind != vectorReg && ops[1].reg == ZR
		switch {
		case zero && ops[2].kind == immediate, zero && ops[2].reg == ZR && len(ops) == 3:
			v.Kind, v.N = ValueConstant, ops[2].imm
			return v
		case zero && len(ops) == 3:
			v.Kind, v.Rn = ValueCopy, ops[2].reg
			return v
		case ops[0].kind == vectorReg && len(ops) == 3 && ops[2].kind == vectorReg && ops[1].reg == ops[2].reg:
			v.Kind, v.Rn = ValueCopyVector, ops[1].reg
			return v
		}
	case "movz", "movn", "movk":
		shift := int64(0)
		if len(ops) == 3 {
			shift = ops[2].imm
		}
		v.Kind, v.N = ValueConstant, ops[1].imm<<shift
		switch {
		case name == "movk":
			v.Kind, v.N, v.Shift = ValueInsert, ops[1].imm, uint8(shift)
		case name == "movn" && narrow:
			v.N = int64(^uint32(v.N))
		case name == "movn":
			v.N = ^v.N
		}
		return v
	case "adr", "adrp":
		v.Kind, v.N = map[string]ValueKind{"adr": ValueAddress, "adrp": ValuePage}[name], ops[1].imm
		return v
	case "csel":
		v.Kind, v.Rn, v.Rm = ValueSelect, ops[1].reg, ops[2].reg
		return v
	case "umov":
		if !strings.HasSuffix(in.text, ".d[0]") && !strings.HasSuffix(in.text, ".s[0]") {
			return Value{}
		}
		v.Kind, v.Rn = ValueFromVector, ops[1].reg
		return v
	case "fmov":
		v.Rn = ops[1].reg
		switch v.Kind = ValueCopyVector; {
		case ops[0].lane, ops[1].lane, ops[1].kind == immediate:
			return Value{}
		case ops[0].kind != vectorReg:
			v.Kind = ValueFromVector
		case ops[1].kind != vectorReg:
			v.Kind = ValueToVector
		}
		return v
	}
	return Value{}
}

// modelSum returns the result of an addition or subtraction.
func (in instruction) modelSum(v Value) Value {
	ops, subtract := in.ops, strings.HasPrefix(in.name, "sub")
	v.Rn = ops[1].reg
	if ops[2].kind == immediate {
		v.Kind, v.N = ValueAdd, ops[2].imm
		if len(ops) == 4 {
			v.N <<= ops[3].imm
		}
		if subtract {
			v.N = -v.N
		}
		if v.N == 0 {
			v.Kind = ValueCopy
		}
		return v
	}
	v.Kind, v.Rm, v.Extend = ValueAddReg, ops[2].reg, LSL
	if subtract {
		v.Kind = ValueSubReg
	}
	if len(ops) == 4 {
		v.Extend, v.Shift = ops[3].ext, uint8(ops[3].imm)
	}
	if (ops[0].reg == SP || ops[1].reg == SP) && v.Extend == LSL { // only the extended form takes SP
		if v.Extend = UXTX; ops[0].kind == wordReg || ops[1].kind == wordReg {
			v.Extend = UXTW
		}
	}
	return v
}
