package arm64

// Registers that have a number in Effects but not in a Set.
const (
	ZR         = 32 // the zero register: reads as zero, and a write to it is lost
	PC         = 33 // the address of the instruction itself
	NoRegister = -1
)

// Effects are what one instruction reads, writes and transfers control to.
//
// Registers in a Set are R0 to R30, and bit 31 for the stack pointer. The zero
// register is in no Set. Registers in int8 fields are numbered the same way,
// with ZR, PC and NoRegister beside them.
//
// Two kinds of effects are left out. The cumulative exception bits of FPSR and
// the local exclusive monitor are not tracked. What a called function, or the
// kernel behind SVC, reads and writes is not known here: a call writes LR only.
type Effects struct {
	// General registers. Reads64 and Writes64 are subsets. Reads64 has the
	// registers that are read above their low 32 bits, and Writes64 those that are
	// written whole. A register in Writes but not in Writes64 is zero in its upper
	// 32 bits afterwards. An instruction that keeps a part of a register (MOVK,
	// BFM) also reads it.
	Reads, Reads64   Set
	Writes, Writes64 Set

	// Vector registers. A write always defines all 128 bits: those above the
	// width that VWrites gives become zero. An instruction that keeps a part of a
	// register (a load of one lane, an accumulation) also reads it.
	VReads, VWrites VSet

	// Condition flags, taken as one: an instruction that writes some of the
	// four and keeps the others reads and writes them.
	ReadsFlags, WritesFlags bool

	Sys    Sys    // the kind of a system instruction, hint or barrier
	SysReg uint16 // MRS and MSR of a register: bits 5 to 20 of the word, op0 to op2
	Jump   Jump   // where control goes
	Value  Value  // what the result is, if it is simple
	Mem    Memory // the access to memory, if Load, Store or Prefetch
}

// A VSet is a set of vector registers by width: element k has the registers that are
// used in at most the low 1<<k bytes. An access to an upper lane uses
// everything below it. A register that is used in two widths is in two elements.
type VSet [5]Set

// All returns the registers of all widths.
func (v *VSet) All() Set { return v[0] | v[1] | v[2] | v[3] | v[4] }

// Upper returns the registers that are used above their low 64 bits.
func (v *VSet) Upper() Set { return v[4] }

// Width returns how many bytes of register r are used: 1, 2, 4, 8, 16, or 0 if
// it is not in the set.
func (v *VSet) Width(r int) int {
	for k := len(v) - 1; k >= 0; k-- {
		if v[k].Has(r) {
			return 1 << k
		}
	}
	return 0
}

// An Extend says how a register operand is extended or shifted before use. The
// first eight are numbered as in instruction words.
type Extend uint8

const (
	UXTB Extend = iota
	UXTH
	UXTW
	UXTX
	SXTB
	SXTH
	SXTW
	SXTX
	LSL
	LSR
	ASR
	ROR
)

// Memory is an access to memory. Its address is
//
//	Base + Disp + Index extended by Extend << Shift
//
// and Base afterwards is Base + By, or Base + Index if By is not known before.
type Memory struct {
	Load, Store bool // both: an atomic read-modify-write
	Prefetch    bool // PRFM: neither load nor store

	Exclusive        bool // LDXR, STXR and their like
	Acquire, Release bool
	Atomic           bool // LSE: LDADD, SWP, CAS and their like

	Vector  bool // Regs are vector registers
	Signed  bool // the loaded value is sign-extended, to 64 bits if Writes64 says so
	Lane    bool // one lane of each vector register is transferred
	Repeat  bool // LD1R to LD4R: one element is loaded to all lanes
	Block   bool // DC ZVA: the aligned block around Base, of a size that DCZID_EL0 tells
	Updates bool // Base is written back

	Base   int8 // 0 to 31, where 31 is SP; or PC for a literal
	Index  int8 // or NoRegister; with Updates, what is added to Base afterwards
	Extend Extend
	Shift  uint8

	// Regs[:N] are the registers transferred, in the order of their places in
	// memory: Size bytes each, N*Size in all. ZR stands for the zero register.
	//
	// An atomic instruction transfers Size bytes, or twice as many for CASP.
	// Regs are then first the registers that receive the old value, which CAS
	// compares with, and then those that hold the operand or the new value.
	// The status that STXR writes is in Writes only.
	N    uint8
	Regs [4]int8
	Size uint8

	Disp int32 // bytes; 0 for post-index
	By   int32 // bytes that write-back adds; 0 if Index is added
}

// Pair reports whether two registers are transferred by LDP, STP and their like.
func (m *Memory) Pair() bool { return m.N == 2 && !m.Atomic }

// Bytes returns how many bytes are transferred, or 0 if that is not known.
func (m *Memory) Bytes() int {
	if m.Atomic {
		return int(m.Size) * int(m.N) / 2
	}
	return int(m.Size) * int(m.N)
}

// A JumpKind says how an instruction transfers control.
type JumpKind uint8

const (
	JumpNone     JumpKind = iota // to the next instruction
	JumpAlways                   // B
	JumpCond                     // B.cond
	JumpZero                     // CBZ
	JumpNonzero                  // CBNZ
	JumpBitClear                 // TBZ
	JumpBitSet                   // TBNZ
	JumpCall                     // BL
	JumpCallReg                  // BLR
	JumpReg                      // BR
	JumpReturn                   // RET
	JumpTrap                     // BRK, UDF: the next instruction is not reached
)

// Jump is a transfer of control.
type Jump struct {
	Kind   JumpKind
	Arg    uint8 // the condition as encoded, of B.cond; the number of the bit, of TBZ and TBNZ
	Reg    int8  // the register that is tested, or holds the address
	Offset int32 // bytes from the instruction to the target, if Kind.Direct
}

// Direct reports whether the target is in the instruction.
func (k JumpKind) Direct() bool { return k >= JumpAlways && k <= JumpCall }

// Flow returns where control goes in the terms of Control.
func (k JumpKind) Flow() Flow {
	switch k {
	case JumpNone:
		return Next
	case JumpAlways:
		return Branch
	case JumpCall, JumpCallReg:
		return Call
	case JumpReg, JumpReturn, JumpTrap:
		return Leave
	}
	return Cond
}

// A ValueKind says how the result of an instruction comes about.
type ValueKind uint8

const (
	Other      ValueKind = iota // of Reads and memory, in a way that is not told here
	Constant                    // N
	KeepMost                    // MOVK: 16 bits of Rd at Shift become N
	Address                     // PC + N: ADR
	Page                        // PC without its low 12 bits, + N: ADRP
	Copy                        // Rn
	Add                         // Rn + N
	AddReg                      // Rn + Rm extended by Extend << Shift
	SubReg                      // Rn - Rm extended by Extend << Shift
	Select                      // Rn or Rm: CSEL
	FromVector                  // vector register Rn, low bits: FMOV
	ToVector                    // general register Rn, to vector register Rd: FMOV
	CopyVector                  // vector register Rn to Rd, as wide as VWrites says
)

// Value is the result of an instruction: what is written to Rd. If Rd is a
// general register in Writes but not in Writes64, everything is computed in 32
// bits. Kinds other than Other always write Rd; ADDS and SUBS set flags as well.
type Value struct {
	Kind       ValueKind
	Rd, Rn, Rm int8 // with ZR for the zero register and 31 for SP
	Extend     Extend
	Shift      uint8
	N          int64
}

// Sys is the kind of an instruction of the system group.
type Sys uint8

const (
	NotSys     Sys = iota
	Hint           // NOP, YIELD, BTI and others that have no effect on registers
	Auth           // PAC, AUT and XPAC in hint space: they change a pointer's upper bits
	Barrier        // DMB, DSB, ISB, SB, CLREX
	MRS            // read of a system register
	MSR            // write of a system register, of PSTATE too
	Cache          // DC and IC, except DC ZVA
	ZeroBlock      // DC ZVA: also a store in Mem
	Supervisor     // SVC: a system call
	Break          // BRK, UDF and UNDEF
)
