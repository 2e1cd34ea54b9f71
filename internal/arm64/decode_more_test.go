package arm64_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "splitadd/internal/arm64"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/pclntab"
)

// FuzzDecode compares the effects of a word with arm64asm, and checks that they are
// consistent.
func FuzzDecode(f *testing.F) {
	for _, word := range []uint32{Nop, Ret, BranchSelf, 0x8b1b63ff, 0xa9bf7bfd, 0x4cdf2004, 0x48207c82, 0xd50b7420, 0x6e180420} {
		f.Add(word)
	}
	for op := range uint32(32) { // each group of the top level (bits 28:25), 32 and 64 bits wide
		f.Add(op>>1<<25 | op&1<<31 | 0x3e0)
		f.Add(op>>1<<25 | op&1<<31 | 1<<29 | 0x1f0041)
	}
	f.Fuzz(func(t *testing.T, word uint32) {
		e, ok := Decode(word)
		if !ok {
			require.Zero(t, e)
			return
		}
		checkConsistent(t, word, &e)
		if in, known := disassembleArm64asm(word); known {
			require.Empty(t, (disassembler{"arm64asm", true}).disagreement(word, in))
		}
	})
}

// checkConsistent checks the rules that the effects of every instruction follow.
func checkConsistent(t *testing.T, word uint32, e *Effects) {
	check := func(ok bool, what string) {
		if !ok {
			t.Errorf("%08x: %s: %+v", word, what, *e)
		}
	}
	m := &e.Mem
	check(e.Reads64&^e.Reads == 0 && e.Writes64&^e.Writes == 0, "64 bits of a register that is not accessed")
	if access := m.Load || m.Store || m.Prefetch; !access {
		check(m.N == 0, "transfers without an access")
	} else if m.Base != PC {
		check(e.Reads64.Has(int(m.Base)), "the base is not read")
	}
	check(!m.WritesBack || e.Writes64.Has(int(m.Base)), "the base is not written")
	for _, r := range m.Regs[:m.N] {
		set := e.Reads | e.Writes
		if m.Vector {
			set = e.VReads.All() | e.VWrites.All()
		}
		check(r == ZR || set.Has(int(r)), "a transferred register is not accessed")
	}
	if e.Value.Kind != ValueUnknown {
		written := e.Writes
		if e.Value.Kind == ValueToVector || e.Value.Kind == ValueCopyVector {
			written = e.VWrites.All()
		}
		check(written == 1<<e.Value.Rd, "a value that is not the only result")
	}
	check(e.Jump.Offset&3 == 0, "a target that is not aligned")
}

// TestDecodeConsistent checks that the effects of random words are consistent, and that
// they agree with the functions of this package that decode a few instructions each.
func TestDecodeConsistent(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	decoded, compared := 0, map[string]int{}
	for i := range 8_000_000 {
		word := random.Uint32()
		switch i % 8 {
		case 0: // Move
			word = word&0x801f001f | 0x2a0003e0
		case 1: // AddRegister
			word = word&0xe01fffff | 0x0b200000
		case 2: // MoveBitmask
			word = word&0xe07ffc1f | 0x120003e0
		case 3, 4:
			word &= random.Uint32()
		}
		if e, ok := Decode(word); ok {
			decoded++
			checkConsistent(t, word, &e)
			checkAgrees(t, word, &e, compared)
		} else if e != (Effects{}) {
			t.Errorf("%08x: effects of an unknown word", word)
		}
		if t.Failed() {
			return
		}
	}
	require.Greater(t, decoded, 3_000_000)
	t.Logf("%d words decoded; %v", decoded, compared)
	for _, name := range []string{"AddImmediate", "AddRegister", "Move", "MoveWide", "MoveBitmask", "AccessOf", "Writeback"} {
		assert.Greater(t, compared[name], 1000, name)
	}
}

// checkAgrees compares Effects with the other functions of this package.
func checkAgrees(t *testing.T, word uint32, e *Effects, compared map[string]int) {
	check := func(ok bool, name string) {
		if !ok {
			t.Errorf("%08x: %s disagrees with %+v", word, name, *e)
		}
	}
	v, m := &e.Value, &e.Mem
	// For UDF and UNDEF, as for words it does not know, Writes returns Rd.
	check(e.Writes == Writes(word) || e.Sys == SysBreak, "Writes")
	flow, offset, direct := FlowOf(word)
	check(e.Jump.Kind.Flow() == flow && e.Jump.Kind.Direct() == direct && int64(e.Jump.Offset) == offset || word == 0xbea71700, "Control")
	check((e.Jump.Kind == JumpReg) == IsBR(word), "IsBR")
	sum := e.Writes64 != 0 && !e.WritesFlags
	if rd, rn, n, ok := AddImmediate(word); ok {
		compared["AddImmediate"]++
		check(rd == int(v.Rd) && rn == int(v.Rn) && n == v.N && (v.Kind == ValueAdd || v.Kind == ValueCopy && n == 0), "AddImmediate")
	} else {
		check(!sum || v.Kind != ValueAdd, "AddImmediate")
	}
	if rd, rn, rm, shift, sub, ok := AddRegister(word); ok && shift <= 4 {
		compared["AddRegister"]++
		want := Value{Kind: ValueAddReg, Rd: int8(rd), Rn: int8(rn), Rm: effectsRegister(rm), Extend: UXTX, Shift: uint8(shift)}
		if sub {
			want.Kind = ValueSubReg
		}
		check(*v == want, "AddRegister")
	} else {
		check(!sum || v.Kind != ValueAddReg && v.Kind != ValueSubReg || v.Extend != UXTX, "AddRegister")
	}
	if rn, n, exact, ok := Writeback(word); ok {
		compared["Writeback"]++
		check(m.WritesBack && rn == int(m.Base) && (!exact || n == int64(m.Increment)), "Writeback")
	} else {
		check(!m.WritesBack, "Writeback")
	}
	if a, ok := AccessOf(word); ok {
		compared["AccessOf"]++
		check(a.Load == m.Load && effectsRegister(a.Rt) == m.Regs[0] && a.Rn == int(m.Base) && a.Offset == int64(m.Disp) && m.Size == 8 && !m.Vector, "AccessOf")
		check(m.N == 1 && a.Rt2 == 31 || m.N == 2 && effectsRegister(a.Rt2) == m.Regs[1], "AccessOf")
	}
	checkAgreesMoves(check, word, v, compared)
}

// effectsRegister returns the number that Effects has for register r, where 31 stands for
// the zero register.
func effectsRegister(r int) int8 {
	if r == 31 {
		return ZR
	}
	return int8(r)
}

// checkAgreesMoves is checkAgrees for Move, MoveWide and MoveBitmask.
func checkAgreesMoves(check func(bool, string), word uint32, v *Value, compared map[string]int) {
	if rd, rm, ok := Move(word); ok && rd != 31 {
		compared["Move"]++
		want := Value{Kind: ValueCopy, Rd: int8(rd), Rn: int8(rm)}
		if rm == 31 {
			want = Value{Kind: ValueConstant, Rd: int8(rd)}
		}
		check(*v == want, "Move")
	}
	if rd, value, keeps, ok := MoveWide(word); ok && rd != 31 {
		compared["MoveWide"]++
		const old = 0x1111222233334444
		want := uint64(v.N)
		if v.Kind == ValueInsert {
			want = old&^(0xffff<<v.Shift) | uint64(v.N)<<v.Shift
		}
		check(rd == int(v.Rd) && keeps == (v.Kind == ValueInsert) && value(old) == want, "MoveWide")
	}
	if rd, n, ok := MoveBitmask(word); ok {
		compared["MoveBitmask"]++
		check(*v == Value{Kind: ValueConstant, Rd: int8(rd), N: int64(n)}, "MoveBitmask")
	}
}

// TestDecodeSystem decodes instructions whose effects the other tests do not compare in
// full: accesses to system registers and PSTATE, and UNDEF.
func TestDecodeSystem(t *testing.T) {
	for _, c := range []struct {
		word uint32
		want Effects
	}{
		{0xd53bd040, Effects{Writes: 1, Writes64: 1, Sys: SysMRS, SysReg: 0xde82}}, // MRS TPIDR_EL0, R0
		{0xd53b4201, Effects{Writes: 2, Writes64: 2, Sys: SysMRS, SysReg: 0xda10, ReadsFlags: true}},
		{0xd51b4201, Effects{Reads: 2, Reads64: 2, Sys: SysMSR, SysReg: 0xda10, WritesFlags: true}},
		{0xd51b443f, Effects{Sys: SysMSR, SysReg: 0xda21}}, // MSR ZR, FPSR
		{0xd503415f, Effects{Sys: SysMSR}},                 // MSR $1, DIT
		{0xbea71700, Effects{Sys: SysBreak, Jump: Jump{Kind: JumpTrap, Reg: NoRegister}}},
	} {
		e, ok := Decode(c.word)
		assert.True(t, ok, "%08x", c.word)
		assert.Equal(t, c.want, e, "%08x", c.word)
	}
}

// TestVSet reads the widths of UADDW V1.8B, V2.8H, V3.8H and of a TBL of three
// registers.
func TestVSet(t *testing.T) {
	e, ok := Decode(0x2e211043)
	assert.True(t, ok)
	assert.Equal(t, []int{8, 16, 0}, []int{e.VReads.Width(1), e.VReads.Width(2), e.VReads.Width(3)})
	assert.Equal(t, 16, e.VWrites.Width(3))
	assert.Equal(t, Set(1<<2), e.VReads.Upper())
	e, ok = Decode(0x0e0143e0) // three from V31 on
	assert.True(t, ok)
	assert.Equal(t, Set(1<<31|1<<0|1<<1), e.VReads.All())
	assert.Equal(t, []int{16, 16, 8}, []int{e.VReads.Width(31), e.VReads.Width(0), e.VWrites.Width(0)})
}

// BenchmarkDecode decodes the functions of a guest, one word in each operation.
func BenchmarkDecode(b *testing.B) {
	f := labtest.Open(b, "local")
	table, err := pclntab.Open(f)
	require.NoError(b, err)
	first, err := table.Func(0)
	require.NoError(b, err)
	last, err := table.Func(table.Len() - 1)
	require.NoError(b, err)
	code, err := f.Bytes(first.Entry, last.Entry-first.Entry)
	require.NoError(b, err)
	known := 0
	b.ReportAllocs()
	b.ResetTimer()
	for i, off := 0, 0; i < b.N; i++ {
		if e, ok := Decode(binary.LittleEndian.Uint32(code[off:])); ok && e.Mem.Load {
			known++
		}
		if off += 4; off+4 > len(code) {
			off = 0
		}
	}
	b.ReportMetric(float64(known)/float64(b.N), "loads/op")
}
