package patch

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/arm64"
)

// A machine has the general registers, with the stack pointer as register 31.
type machine [32]uint64

// run executes ADD and SUB of an immediate. Any other word fails the test.
func (m *machine) run(t *testing.T, words ...uint32) {
	for _, w := range words {
		rd, rn, n, ok := arm64.AddImmediate(w)
		require.True(t, ok, "%08x", w)
		m[rd] = m[rn] + uint64(n)
	}
}

// TestRepairPair executes pairs of any frame size with any registers, original and repaired.
// All registers but the scratch register end up the same. After the first repaired word
// only the scratch register has changed.
func TestRepairPair(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 100000 {
		low, high := random.Uint32N(1<<12), 1+random.Uint32N(1<<12-1)
		for _, pointer := range []uint32{arm64.SP, arm64.FP} {
			before := [2]uint32{0x91000000 | low<<10 | 31<<5 | pointer, 0x91400000 | high<<10 | pointer<<5 | pointer}
			code := make([]byte, 12)
			binary.LittleEndian.PutUint32(code, before[0])
			binary.LittleEndian.PutUint32(code[4:], before[1])
			after := repairPair(before)
			var was machine
			for i := range was {
				was[i] = random.Uint64()
			}
			want, got := was, was
			want.run(t, before[:]...)
			got.run(t, after[0])
			partial := got
			got.run(t, after[1])
			partial[scratchReg], was[scratchReg] = 0, 0
			require.Equal(t, was, partial, "a partial state")
			want[scratchReg], got[scratchReg] = 0, 0
			require.Equal(t, want, got)
		}
	}
}

// TestUnprovable tests that scratchIsDead and savesScratch report false for code about which
// they cannot prove it.
func TestUnprovable(t *testing.T) {
	const (
		ret, nop   = arm64.Ret, 0xd503201f
		useR16     = 0x8b1003e0 // ADD R16, ZR, R0
		branch     = 0x14000002
		first, add = 0x910043ff, 0x914043ff // ADD $16, RSP, RSP; ADD $(16<<12), RSP, RSP
	)
	code := func(words ...uint32) (b []byte) {
		for _, w := range words {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		return b
	}
	assert.True(t, scratchIsDead(code(ret)))
	assert.True(t, scratchIsDead(code(first, add, nop, ret, useR16)))
	for name, words := range map[string][]uint32{
		"nothing": {}, "used": {useR16, ret}, "a branch": {branch, ret}, "no return": {nop, nop},
	} {
		assert.False(t, scratchIsDead(code(words...)), name)
	}

	const (
		store, load = 0xa908c7f0, 0xa948c7f0 // STP, LDP (R16, R17), 136(RSP)
		call        = 0x94000010
		other       = 0xf90047e0 // MOVD R0, 136(RSP)
		write       = 0xd2800010 // MOVZ $0, R16
		pop         = 0x910043ff
	)
	assert.True(t, savesScratch(code(store, call, load, ret)))
	assert.True(t, savesScratch(code(nop, store, write, call, nop, load, pop, ret)))
	for name, words := range map[string][]uint32{
		"nothing": {call, ret}, "not stored": {call, load, ret}, "not loaded": {store, call, ret}, "no call": {store, load, ret},
		"overwritten": {store, other, call, load, ret}, "written before": {write, store, call, load, ret}, "written after": {store, call, load, write, ret},
		"another slot": {store, call, pop, load, ret}, "two calls": {store, call, call, load, ret}, "a branch": {store, branch, call, load, ret}, "no end": {store, call, load},
	} {
		assert.False(t, savesScratch(code(words...)), name)
	}
}
