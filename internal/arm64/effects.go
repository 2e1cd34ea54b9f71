package arm64

// Registers that have a number in Effects but not in a Set.
const (
	ZR         = 32 // the zero register: reads as zero, and a write to it is lost
	PC         = 33 // the address of the instruction itself
	NoRegister = -1
)

// Effects are what one instruction reads and writes, and where control goes after it.
//
// In a Set, bits 0 to 30 are R0 to R30, and bit 31 is the stack pointer. The zero
// register is in no Set. Fields of type int8 hold the same numbers, or ZR, PC or
// NoRegister.
//
// The cumulative exception bits of FPSR and the local exclusive monitor are not
// tracked. A call writes LR only: what the called function, or the kernel after SVC,
// reads and writes is not included.
type Effects struct {
	// General registers. Reads64 is the subset of Reads of which more than the low 32
	// bits are read. Writes64 is the subset of Writes of which all 64 bits are written.
	// The upper 32 bits of a register in Writes but not in Writes64 become zero. An
	// instruction that keeps a part of a register (MOVK, BFM) also reads it.
	Reads, Reads64   Set
	Writes, Writes64 Set

	// Vector registers. A write always defines all 128 bits: the bits above the width in
	// VWrites become zero. An instruction that keeps a part of a register (a load of one
	// lane, an accumulation) also reads it.
	VReads, VWrites VSet

	// The condition flags N, Z, C and V, as one. An instruction that writes some of them
	// and keeps the others both reads and writes them.
	ReadsFlags, WritesFlags bool

	Sys    Sys    // the kind of a system instruction, hint or barrier
	SysReg uint16 // the system register of MRS and MSR: bits 5 to 20 of the word, op0 to op2
	Jump   Jump   // the transfer of control
	Value  Value  // how the result is computed, if Value has a kind for it
	Mem    Memory // the access to memory, if Load, Store or Prefetch is true
}

// A VSet is a set of vector registers by width. Element k has the registers of which the
// low 1<<k bytes are used. An access to an upper lane counts as a use of everything below
// it. A register that is used with two widths is in two elements.
type VSet [5]Set

// All returns the registers in the set, of any width.
func (v *VSet) All() Set { return v[0] | v[1] | v[2] | v[3] | v[4] }

// Upper returns the registers of which more than the low 64 bits are used.
func (v *VSet) Upper() Set { return v[4] }

// Width returns how many bytes of register r are used: 1, 2, 4, 8 or 16, or 0 if r is not
// in the set.
func (v *VSet) Width(r int) int {
	for k := len(v) - 1; k >= 0; k-- {
		if v[k].Has(r) {
			return 1 << k
		}
	}
	return 0
}

// An Extend is the extension or shift of a register operand. UXTB to SXTX have the values
// of the option field in instruction words.
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
// If WritesBack is true, Base is then set to Base + Increment, or to Base + Index if
// Index is a register.
type Memory struct {
	Load, Store bool // both: an atomic read-modify-write
	Prefetch    bool // PRFM: neither load nor store

	Exclusive        bool // LDXR, STXR and similar
	Acquire, Release bool
	Atomic           bool // the atomic instructions of LSE: LDADD, SWP, CAS and similar

	Vector     bool // Regs are vector registers
	Signed     bool // the loaded value is sign-extended, to 64 bits if the register is in Writes64
	Lane       bool // one lane of each vector register is transferred
	Replicate  bool // LD1R to LD4R: one element is loaded to all lanes
	Block      bool // DC ZVA: the aligned block that Base is in; DCZID_EL0 has its size
	WritesBack bool // Base is written after the access

	Base   int8 // 0 to 31, where 31 is SP; or PC for a literal
	Index  int8 // or NoRegister; with WritesBack, the register that is added to Base afterwards
	Extend Extend
	Shift  uint8

	// Regs[:N] are the registers that are loaded or stored, in the order of their addresses
	// in memory. Each has Size bytes there.
	//
	// An atomic instruction accesses Size bytes, or 2*Size for CASP. The first half of
	// Regs receives the old value, and holds what CAS compares it with. The second half
	// holds the operand or the new value. The status register of STXR is only in Writes.
	N    uint8
	Regs [4]int8
	Size uint8

	Disp      int32 // bytes; 0 for post-indexed instructions
	Increment int32 // bytes that are added to Base; 0 if Index is added
}

// Pair reports whether the instruction is LDP, STP or another that transfers two
// registers and is not atomic.
func (m *Memory) Pair() bool { return m.N == 2 && !m.Atomic }

// Bytes returns how many bytes of memory are accessed, or 0 if that is not known (Block,
// Prefetch).
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
	Arg    uint8 // B.cond: the condition, as encoded; TBZ and TBNZ: the number of the bit
	Reg    int8  // the register that is tested, or that holds the target, or NoRegister
	Offset int32 // bytes from the instruction to the target, if Kind.Direct()
}

// Direct reports whether the instruction encodes the target.
func (k JumpKind) Direct() bool { return k >= JumpAlways && k <= JumpCall }

// Flow returns what FlowOf returns for instructions of this kind.
func (k JumpKind) Flow() Flow {
	switch k {
	case JumpNone:
		return FlowNext
	case JumpAlways:
		return FlowBranch
	case JumpCall, JumpCallReg:
		return FlowCall
	case JumpReg, JumpReturn, JumpTrap:
		return FlowExit
	}
	return FlowCond
}

// A ValueKind says how the result of an instruction is computed.
type ValueKind uint8

const (
	ValueUnknown    ValueKind = iota // from Reads and memory, in a way that has no kind here
	ValueConstant                    // N
	ValueInsert                      // MOVK: the 16 bits of Rd at Shift become N
	ValueAddress                     // PC + N: ADR
	ValuePage                        // PC without its low 12 bits, + N: ADRP
	ValueCopy                        // Rn
	ValueAdd                         // Rn + N
	ValueAddReg                      // Rn + Rm extended by Extend << Shift
	ValueSubReg                      // Rn - Rm extended by Extend << Shift
	ValueSelect                      // Rn or Rm: CSEL
	ValueFromVector                  // vector register Rn, low bits: FMOV
	ValueToVector                    // general register Rn, to vector register Rd: FMOV
	ValueCopyVector                  // vector register Rn to Rd, as wide as VWrites says
)

// Value is the result that an instruction writes to Rd. If Rd is a general register in
// Writes but not in Writes64, it is computed with 32 bits. ADDS and SUBS, which also set
// flags, have values too. An instruction that writes to the zero register has none.
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
	SysNone           Sys = iota
	SysHint               // NOP, YIELD, BTI and others without an effect on registers
	SysAuth               // PAC, AUT and XPAC in hint space: they change a pointer's upper bits
	SysBarrier            // DMB, DSB, ISB, SB, CLREX
	SysMRS                // read of a system register
	SysMSR                // write of a system register or of PSTATE
	SysCache              // DC and IC, except DC ZVA
	SysZeroBlock          // DC ZVA; Mem has the store
	SysSupervisorCall     // SVC: a system call
	SysBreak              // BRK, UDF and UNDEF
)
