package arm64

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/arch/arm64/arm64asm"
)

// TestFormOf compares FormOf with what the assembler of the installed Go writes for ADD of
// 2,000 constants.
func TestFormOf(t *testing.T) {
	constants := []uint64{4080, 4096, 65520, 65535, 65536, 65552, 69632, 131040, 131072, 196608, 1<<20 - 16, 1<<20 + 16, 1<<24 - 16, 1 << 24, 1<<24 + 16}
	random := rand.New(rand.NewPCG(1, 2))
	for len(constants) < 2000 {
		constants = append(constants, 1+random.Uint64N(1<<(1+random.IntN(26))))
	}
	var source strings.Builder
	source.WriteString("TEXT ·f(SB), 4, $0-0\n")
	for _, n := range constants {
		fmt.Fprintf(&source, "\tADD $%d, RSP, R1\n", n)
	}
	source.WriteString("\tRET\n")
	dir := t.TempDir()
	name := filepath.Join(dir, "f.s")
	require.NoError(t, os.WriteFile(name, []byte(source.String()), 0o644))
	cmd := exec.Command("go", "tool", "asm", "-S", "-p", "f", "-o", filepath.Join(dir, "f.o"), name)
	cmd.Env = append(os.Environ(), "GOARCH=arm64", "GOOS=linux")
	listing, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", listing)

	code := listingCode(t, listing)
	offsets := listingOffsets(t, listing)
	require.Len(t, offsets, len(constants)+1)
	for i, n := range constants {
		var words []uint32
		for off := offsets[i]; off < offsets[i+1]; off += 4 {
			words = append(words, binary.LittleEndian.Uint32(code[off:]))
		}
		require.Equal(t, formOf(words), FormOf(n), "%d is assembled as %08x", n, words)
	}
}

// formOf returns how ADD was expanded, from its instructions.
func formOf(words []uint32) Form {
	_, _, _, immediate := AddImmediate(words[len(words)-1])
	switch {
	case len(words) == 1 && immediate:
		return OneADD
	case len(words) == 2 && immediate:
		return TwoADDs
	}
	return RegisterADD
}

// listingCode returns the machine code of an assembler listing. The listing ends with a
// dump. Each line of it has an offset, up to sixteen bytes, and the same bytes as text.
func listingCode(t *testing.T, listing []byte) (code []byte) {
	for _, m := range regexp.MustCompile(`(?m)^\t0x[0-9a-f]+((?: [0-9a-f]{2}){1,16})(?:  |$)`).FindAllSubmatch(listing, -1) {
		for _, digits := range bytes.Fields(m[1]) {
			b, err := strconv.ParseUint(string(digits), 16, 8)
			require.NoError(t, err)
			code = append(code, byte(b))
		}
	}
	return code
}

// listingOffsets returns the offsets of ADD and RET in an assembler listing.
func listingOffsets(t *testing.T, listing []byte) (offsets []int) {
	for _, m := range regexp.MustCompile(`(?m)^\t0x([0-9a-f]+) [0-9]+ \([^)]*\)\t(?:ADD|RET)`).FindAllSubmatch(listing, -1) {
		n, err := strconv.ParseUint(string(m[1]), 16, 32)
		require.NoError(t, err)
		offsets = append(offsets, int(n))
	}
	return offsets
}

// TestIsBitcon compares isBitcon with the decoder, for every encoding of a bitmask
// immediate and for random numbers.
func TestIsBitcon(t *testing.T) {
	encodable := map[uint64]bool{}
	for field := uint32(0); field < 1<<13; field++ {
		if _, n, ok := MoveBitmask(0xb20003e0 | field<<10); ok {
			encodable[n] = true
			require.True(t, isBitcon(n), "%#x", n)
		}
	}
	require.Len(t, encodable, 5334) // the number of different bitmask immediates
	random := rand.New(rand.NewPCG(3, 4))
	for range 100_000 {
		n := random.Uint64() >> random.IntN(64)
		require.Equal(t, encodable[n], isBitcon(n), "%#x", n)
	}
	require.False(t, isBitcon(0))
	require.False(t, isBitcon(^uint64(0)))
}

func TestRecognizers(t *testing.T) {
	rd, rn, n, ok := AddImmediate(0x914043bd) // ADD $(16<<12), R29, R29
	assert.True(t, ok)
	assert.Equal(t, []int{FP, FP, 16 << 12}, []int{rd, rn, int(n)})
	_, rn, n, ok = AddImmediate(0xd10043f4) // SUB $16, RSP, R20
	assert.True(t, ok)
	assert.Equal(t, []int{SP, -16}, []int{rn, int(n)})
	_, _, _, ok = AddImmediate(0xf108203f) // CMP $520, R1
	assert.False(t, ok, "sets flags")
	rd, rn, rm, shift, sub, ok := AddRegister(0x8b3b63ff) // ADD R27, RSP, RSP
	assert.True(t, ok)
	assert.False(t, sub)
	assert.Equal(t, []int{SP, SP, R27, 0}, []int{rd, rn, rm, int(shift)})
	rn, n, exact, ok := Writeback(0xa8817c3f) // STP.P (ZR, ZR), 16(R1)
	assert.True(t, ok && exact)
	assert.Equal(t, []int{1, 16}, []int{rn, int(n)})
	rn, n, exact, ok = Writeback(0xf81e0ffe) // MOVD.W R30, -32(RSP)
	assert.True(t, ok && exact)
	assert.Equal(t, []int{SP, -32}, []int{rn, int(n)})
	for word, want := range map[uint32]Access{
		0xa97ffbfd: {true, FP, LR, SP, -8},   // LDP -8(RSP), (R29, R30)
		0xa93ffa9d: {false, FP, LR, 20, -8},  // STP (R29, R30), -8(R20)
		0xa9bf7bfd: {false, FP, LR, SP, -16}, // STP.W (R29, R30), -16(RSP)
		0xa8c17bfd: {true, FP, LR, SP, 0},    // LDP.P 16(RSP), (R29, R30)
		0xf85f83fd: {true, FP, 31, SP, -8},   // MOVD -8(RSP), R29
		0xf90007e0: {false, 0, 31, SP, 8},    // MOVD R0, 8(RSP)
		0xf81e0ffe: {false, LR, 31, SP, -32}, // MOVD.W R30, -32(RSP)
		0xf84207fe: {true, LR, 31, SP, 0},    // MOVD.P 32(RSP), R30
	} {
		got, ok := AccessOf(word)
		assert.True(t, ok, "%08x", word)
		assert.Equal(t, want, got, "%08x", word)
	}
	for _, word := range []uint32{0xb94007e0, 0x3dc007e0, 0xf8626820, 0xf8600820, Nop} { // word, vector, register offset, unprivileged
		_, ok := AccessOf(word)
		assert.False(t, ok, "%08x", word)
	}
	_, value, _, ok := MoveWide(0xd29ff21b) // MOVD $65424, R27
	assert.True(t, ok)
	assert.EqualValues(t, 65424, value(0))
	_, value, keeps, ok := MoveWide(0xf2a0003b) // MOVK $(1<<16), R27
	assert.True(t, ok && keeps)
	assert.EqualValues(t, 65424+65536, value(65424))
}

func TestFlowOf(t *testing.T) {
	for _, c := range []struct {
		word   uint32
		flow   Flow
		offset int64
		direct bool
	}{
		{BranchSelf, FlowBranch, 0, true},
		{0x17fffff0, FlowBranch, -64, true},
		{0x97ffdf6a, FlowCall, -33368, true},
		{0xd63f0040, FlowCall, 0, false}, // CALL (R2)
		{0x54ffff83, FlowCond, -16, true},
		{0x36000161, FlowCond, 44, true},
		{0xb5ffff62, FlowCond, -20, true},
		{Ret, FlowExit, 0, false},
		{0xd61f0360, FlowExit, 0, false}, // JMP (R27)
		{0, FlowExit, 0, false},
		{0xd4200000, FlowExit, 0, false}, // BRK
		{Nop, FlowNext, 0, false},
		{0xd4000001, FlowNext, 0, false}, // SVC
	} {
		flow, offset, direct := FlowOf(c.word)
		assert.Equal(t, c.flow, flow, "%08x", c.word)
		assert.Equal(t, c.offset, offset, "%08x", c.word)
		assert.Equal(t, c.direct, direct, "%08x", c.word)
	}
}

// TestWrites compares Writes with the operands that arm64asm gives, for words of each
// mnemonic that it knows.
func TestWrites(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	seen := map[string]int{}
	for range 3_000_000 {
		word := random.Uint32()
		inst, err := arm64asm.Decode(binary.LittleEndian.AppendUint32(nil, word))
		if err != nil {
			continue
		}
		op := inst.Op.String()
		if seen[op]++; seen[op] > 2000 {
			continue
		}
		require.Equal(t, writtenRegisters(inst), Writes(word), "%08x %v", word, inst)
	}
	require.Greater(t, len(seen), 300, "mnemonics")
}

// firstOperandNotWritten matches the mnemonics whose first operand is only read, or is not
// a general register.
var firstOperandNotWritten = regexp.MustCompile(`^(ST[RPUTNL]|CMP|CMN|CCM|TST|CB|TB|B$|BR|RET|PRF|MSR|HINT|SYS$|D[CS]|IC|TLBI|AT$|SVC|HVC|SMC|HLT|DCPS|DMB|ISB|CLREX|ERET|DRPS|NOP|YIELD|WF|SEV)`)

// writtenRegisters returns the general registers that an instruction writes, going by its
// mnemonic and operands.
func writtenRegisters(inst arm64asm.Inst) (s Set) {
	op := inst.Op.String()
	add := func(arg arm64asm.Arg) {
		switch r := arg.(type) {
		case arm64asm.Reg:
			switch {
			case r >= arm64asm.W0 && r < arm64asm.WZR:
				s |= 1 << (r - arm64asm.W0)
			case r >= arm64asm.X0 && r < arm64asm.XZR:
				s |= 1 << (r - arm64asm.X0)
			}
		case arm64asm.RegSP:
			if r := arm64asm.Reg(r); r == arm64asm.SP || r == arm64asm.WSP {
				s |= 1 << SP
			} else if r >= arm64asm.X0 && r < arm64asm.XZR {
				s |= 1 << (r - arm64asm.X0)
			} else if r >= arm64asm.W0 && r < arm64asm.WZR {
				s |= 1 << (r - arm64asm.W0)
			}
		}
	}
	switch {
	case op == "BL", op == "BLR":
		return 1 << LR
	case strings.HasPrefix(op, "STXR"), strings.HasPrefix(op, "STLXR"), strings.HasPrefix(op, "STXP"), strings.HasPrefix(op, "STLXP"):
		add(inst.Args[0]) // the status
	case strings.HasPrefix(op, "LDP"), strings.HasPrefix(op, "LDNP"), strings.HasPrefix(op, "LDXP"), strings.HasPrefix(op, "LDAXP"):
		add(inst.Args[0])
		add(inst.Args[1])
	case !firstOperandNotWritten.MatchString(op):
		add(inst.Args[0])
	}
	for _, arg := range inst.Args {
		if m, ok := arg.(arm64asm.MemImmediate); ok && (m.Mode == arm64asm.AddrPreIndex || m.Mode == arm64asm.AddrPostIndex || m.Mode == arm64asm.AddrPostReg) {
			add(m.Base)
		}
	}
	return s
}

// TestMayChangeFrameOrFlow compares the quick test, and Classes, with Writes and FlowOf on
// random words. The quick test must not miss a word, and must exclude at least half.
func TestMayChangeFrameOrFlow(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	relevant, accepted := 0, 0
	for range 50_000_000 {
		word := random.Uint32()
		flow, _, _ := FlowOf(word)
		if s := Writes(word); s.Has(SP) || s.Has(FP) || flow != FlowNext {
			relevant++
			if !MayChangeFrameOrFlow(word) {
				t.Fatalf("%08x writes %b, flow %d", word, s, flow)
			}
		}
		if MayChangeFrameOrFlow(word) {
			accepted++
		}
		switch class := Classes[word>>24<<5|word&31]; {
		case class == ClassCall:
			require.Equal(t, FlowCall, flow)
		case class != ClassLoadStore && MayChangeFrameOrFlow(word) != (class == ClassRelevant):
			t.Fatalf("%08x is of class %d", word, class)
		}
	}
	require.Positive(t, relevant)
	require.Less(t, accepted, 50_000_000/2)
}
