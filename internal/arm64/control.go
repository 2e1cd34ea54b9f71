package arm64

// branchOrSystem decodes "Branches, Exception Generating and System instructions".
func (e *Effects) branchOrSystem(w uint32) bool {
	switch {
	case w&0x7c000000 == 0x14000000: // unconditional branch (immediate)
		e.Jump = Jump{Kind: JumpAlways, Reg: NoRegister, Offset: signed(w, 0, 26) * 4}
		if bit(w, 31) {
			e.Jump.Kind = JumpCall
			e.addWrite(LR, true)
		}
		return true
	case w&0xff000010 == 0x54000000: // conditional branch (immediate)
		e.ReadsFlags = true
		e.Jump = Jump{Kind: JumpCond, Arg: uint8(w & 15), Reg: NoRegister, Offset: signed(w, 5, 19) * 4}
		return true
	case w&0x7e000000 == 0x34000000: // compare and branch
		r := regOrZR(w, 0)
		e.addRead(r, bit(w, 31))
		e.Jump = Jump{Kind: JumpZero + JumpKind(field(w, 24, 1)), Reg: r, Offset: signed(w, 5, 19) * 4}
		return true
	case w&0x7e000000 == 0x36000000: // test and branch
		r := regOrZR(w, 0)
		e.addRead(r, bit(w, 31))
		n := field(w, 31, 1)<<5 | field(w, 19, 5)
		e.Jump = Jump{Kind: JumpBitClear + JumpKind(field(w, 24, 1)), Arg: uint8(n), Reg: r, Offset: signed(w, 5, 14) * 4}
		return true
	case w>>25 == 0xd6>>1:
		return e.branchRegister(w)
	case w>>24 == 0xd4:
		return e.exception(w)
	case w>>22 == 0xd5000000>>22:
		return e.system(w)
	}
	return false
}

// branchRegister decodes "Unconditional branch (register)": BR, BLR and RET, but
// not their authenticated forms.
func (e *Effects) branchRegister(w uint32) bool {
	r := regOrZR(w, 5)
	e.addRead(r, true)
	e.Jump.Reg = r
	switch w &^ (31 << 5) {
	case 0xd61f0000:
		e.Jump.Kind = JumpReg
	case 0xd63f0000:
		e.Jump.Kind = JumpCallReg
		e.addWrite(LR, true)
	case 0xd65f0000:
		e.Jump.Kind = JumpReturn
	default:
		return false
	}
	return true
}

// exception decodes "Exception generation": SVC and BRK. It does not decode HLT, because
// a debugger or emulator may continue after it.
func (e *Effects) exception(w uint32) bool {
	switch w & 0xffe0001f {
	case 0xd4000001:
		e.Sys = SysSupervisorCall
	case 0xd4200000:
		e.Sys, e.Jump = SysBreak, Jump{Kind: JumpTrap, Reg: NoRegister}
	default:
		return false
	}
	return true
}

// Words of the system group, with register 0.
const (
	nzcv = 0xd51b4200 // MSR NZCV
	zva  = 0xd50b7420 // DC ZVA
)

// system decodes "Hints", "Barriers", "PSTATE", "System instructions" and
// "System register move".
func (e *Effects) system(w uint32) bool {
	rt := regOrZR(w, 0)
	switch op := field(w, 19, 2); {
	case w&0xfffff01f == 0xd503201f:
		e.hint(w)
	case w&0xfffff01f == 0xd503301f:
		e.Sys = SysBarrier
		switch field(w, 5, 3) { // CLREX, DSB, DMB, ISB, SB
		case 2, 4, 5, 6, 7:
			return true
		}
		return false
	case w&0xfff8f01f == 0xd500401f: // MSR (immediate)
		return e.pstate(w)
	case bit(w, 21) && op >= 2: // MRS
		e.Sys = SysMRS
		e.addWrite(rt, true)
		e.SysReg = uint16(w >> 5)
		e.ReadsFlags = w&^(1<<21)&^31 == nzcv
	case op >= 2: // MSR (register)
		e.Sys = SysMSR
		e.addRead(rt, true)
		e.SysReg = uint16(w >> 5)
		e.WritesFlags = w&^31 == nzcv
	case op == 1 && !bit(w, 21):
		return e.cacheMaintenance(w, rt)
	default:
		return false
	}
	return true
}

// pstate decodes "PSTATE": MSR of an immediate, and the instructions that change flags.
func (e *Effects) pstate(w uint32) bool {
	e.Sys = SysMSR
	switch op1, op2 := field(w, 16, 3), field(w, 5, 3); {
	case op1 == 0 && op2 <= 2 && field(w, 8, 4) == 0: // CFINV, XAFLAG, AXFLAG
		e.ReadsFlags, e.WritesFlags = true, true
		return true
	case op1 == 3:
		switch op2 { // SSBS, DIT, TCO, DAIFSet, DAIFClr
		case 1, 2, 4, 6, 7:
			return true
		}
	}
	return false
}

// cacheMaintenance decodes "System instructions" that user code may execute: DC ZVA, and
// maintenance of the caches.
func (e *Effects) cacheMaintenance(w uint32, rt int8) bool {
	switch w &^ 31 {
	case zva:
		e.Sys = SysZeroBlock
		e.addRead(rt, true)
		e.Mem = Memory{Store: true, Block: true, Base: rt, Index: NoRegister}
		return rt != ZR
	case 0xd50b7a20, 0xd50b7b20, 0xd50b7c20, 0xd50b7d20, 0xd50b7e20, // DC CVAC, CVAU, CVAP, CVADP, CIVAC
		0xd50b7520: // IC IVAU
		e.Sys = SysCache
		e.addRead(rt, true)
		return true
	}
	return false
}

// hint decodes "Hints". Hints that are not allocated do nothing.
func (e *Effects) hint(w uint32) {
	e.Sys = SysHint
	const r16, r17 = 16, 17
	auth := func(r int8, modifier int8) {
		e.Sys = SysAuth
		e.addRead(r, true)
		e.addWrite(r, true)
		if modifier != NoRegister {
			e.addRead(modifier, true)
		}
	}
	switch field(w, 5, 7) {
	case 7: // XPACLRI
		auth(LR, NoRegister)
	case 8, 10, 12, 14: // PACIA1716, PACIB1716, AUTIA1716, AUTIB1716
		auth(r17, r16)
	case 24, 26, 28, 30: // PACIAZ, PACIBZ, AUTIAZ, AUTIBZ
		auth(LR, NoRegister)
	case 25, 27, 29, 31: // PACIASP, PACIBSP, AUTIASP, AUTIBSP
		auth(LR, SP)
	}
}
