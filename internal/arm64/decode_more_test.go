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

// FuzzDecode compares the effects of a word with arm64asm, and looks for
// contradictions within them.
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
		consistent(t, word, &e)
		if in, known := arm64asmSays(word); known {
			require.Empty(t, (dialect{"arm64asm", true}).disagreement(word, in))
		}
	})
}

// consistent checks what holds for the effects of any instruction.
func consistent(t *testing.T, word uint32, e *Effects) {
	check := func(ok bool, what string) {
		if !ok {
			t.Errorf("%08x: %s: %+v", word, what, *e)
		}
	}
	m := &e.Mem
	check(e.Reads64&^e.Reads == 0 && e.Writes64&^e.Writes == 0, "64 bits of what is not accessed")
	if access := m.Load || m.Store || m.Prefetch; !access {
		check(m.N == 0, "transfers without an access")
	} else if m.Base != PC {
		check(e.Reads64.Has(int(m.Base)), "the base is not read")
	}
	check(!m.Updates || e.Writes64.Has(int(m.Base)), "the base is not written")
	for _, r := range m.Regs[:m.N] {
		set := e.Reads | e.Writes
		if m.Vector {
			set = e.VReads.All() | e.VWrites.All()
		}
		check(r == ZR || set.Has(int(r)), "a transferred register is not accessed")
	}
	if e.Value.Kind != Other {
		written := e.Writes
		if e.Value.Kind == ToVector || e.Value.Kind == CopyVector {
			written = e.VWrites.All()
		}
		check(written == 1<<e.Value.Rd, "a value that is not the only result")
	}
	check(e.Jump.Offset&3 == 0, "a target that is not aligned")
}

// TestDecodeConsistent checks random words for contradictions, and against the
// functions of this package that decode a few instructions each.
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
			consistent(t, word, &e)
			agrees(t, word, &e, compared)
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

// agrees compares Effects with the other functions of this package.
func agrees(t *testing.T, word uint32, e *Effects, compared map[string]int) {
	check := func(ok bool, name string) {
		if !ok {
			t.Errorf("%08x: %s disagrees with %+v", word, name, *e)
		}
	}
	v, m := &e.Value, &e.Mem
	// Writes takes UDF and UNDEF for unknown words, which may write Rd.
	check(e.Writes == Writes(word) || e.Sys == Break, "Writes")
	flow, offset, direct := Control(word)
	check(e.Jump.Kind.Flow() == flow && e.Jump.Kind.Direct() == direct && int64(e.Jump.Offset) == offset || word == 0xbea71700, "Control")
	check((e.Jump.Kind == JumpReg) == JumpsRegister(word), "JumpsRegister")
	sum := e.Writes64 != 0 && !e.WritesFlags
	if rd, rn, n, ok := AddImmediate(word); ok {
		compared["AddImmediate"]++
		check(rd == int(v.Rd) && rn == int(v.Rn) && n == v.N && (v.Kind == Add || v.Kind == Copy && n == 0), "AddImmediate")
	} else {
		check(!sum || v.Kind != Add, "AddImmediate")
	}
	if rd, rn, rm, shift, sub, ok := AddRegister(word); ok && shift <= 4 {
		compared["AddRegister"]++
		want := Value{Kind: AddReg, Rd: int8(rd), Rn: int8(rn), Rm: number(rm), Extend: UXTX, Shift: uint8(shift)}
		if sub {
			want.Kind = SubReg
		}
		check(*v == want, "AddRegister")
	} else {
		check(!sum || v.Kind != AddReg && v.Kind != SubReg || v.Extend != UXTX, "AddRegister")
	}
	if rn, n, exact, ok := Writeback(word); ok {
		compared["Writeback"]++
		check(m.Updates && rn == int(m.Base) && (!exact || n == int64(m.By)), "Writeback")
	} else {
		check(!m.Updates, "Writeback")
	}
	if a, ok := AccessOf(word); ok {
		compared["AccessOf"]++
		check(a.Load == m.Load && number(a.Rt) == m.Regs[0] && a.Rn == int(m.Base) && a.N == int64(m.Disp) && m.Size == 8 && !m.Vector, "AccessOf")
		check(m.N == 1 && a.Rt2 == 31 || m.N == 2 && number(a.Rt2) == m.Regs[1], "AccessOf")
	}
	agreesMoves(check, word, v, compared)
}

// number returns the number in Effects of a register for which 31 means zero.
func number(r int) int8 {
	if r == 31 {
		return ZR
	}
	return int8(r)
}

// agreesMoves is agrees for Move, MoveWide and MoveBitmask.
func agreesMoves(check func(bool, string), word uint32, v *Value, compared map[string]int) {
	if rd, rm, ok := Move(word); ok && rd != 31 {
		compared["Move"]++
		want := Value{Kind: Copy, Rd: int8(rd), Rn: int8(rm)}
		if rm == 31 {
			want = Value{Kind: Constant, Rd: int8(rd)}
		}
		check(*v == want, "Move")
	}
	if rd, value, keeps, ok := MoveWide(word); ok && rd != 31 {
		compared["MoveWide"]++
		const old = 0x1111222233334444
		want := uint64(v.N)
		if v.Kind == KeepMost {
			want = old&^(0xffff<<v.Shift) | uint64(v.N)<<v.Shift
		}
		check(rd == int(v.Rd) && keeps == (v.Kind == KeepMost) && value(old) == want, "MoveWide")
	}
	if rd, n, ok := MoveBitmask(word); ok {
		compared["MoveBitmask"]++
		check(*v == Value{Kind: Constant, Rd: int8(rd), N: int64(n)}, "MoveBitmask")
	}
}

// TestDecodeSystem decodes what no disassembler's operands tell: system registers,
// PSTATE and UNDEF.
func TestDecodeSystem(t *testing.T) {
	for _, c := range []struct {
		word uint32
		want Effects
	}{
		{0xd53bd040, Effects{Writes: 1, Writes64: 1, Sys: MRS, SysReg: 0xde82}}, // MRS TPIDR_EL0, R0
		{0xd53b4201, Effects{Writes: 2, Writes64: 2, Sys: MRS, SysReg: 0xda10, ReadsFlags: true}},
		{0xd51b4201, Effects{Reads: 2, Reads64: 2, Sys: MSR, SysReg: 0xda10, WritesFlags: true}},
		{0xd51b443f, Effects{Sys: MSR, SysReg: 0xda21}}, // MSR ZR, FPSR
		{0xd503415f, Effects{Sys: MSR}},                 // MSR $1, DIT
		{0xbea71700, Effects{Sys: Break, Jump: Jump{Kind: JumpTrap, Reg: NoRegister}}},
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

// BenchmarkDecode decodes the functions of a guest, a word an operation.
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
	for i, at := 0, 0; i < b.N; i++ {
		if e, ok := Decode(binary.LittleEndian.Uint32(code[at:])); ok && e.Mem.Load {
			known++
		}
		if at += 4; at+4 > len(code) {
			at = 0
		}
	}
	b.ReportMetric(float64(known)/float64(b.N), "loads/op")
}
