package arm64_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	. "splitadd/internal/arm64"
)

// A state is the registers that testdata/execute/main.c loads before it executes an
// instruction, and stores after it.
type state struct {
	X     [31]uint64
	Flags uint64
	V     [32][16]byte
}

// executeCommand builds testdata/execute and returns the command that runs it.
func executeCommand(t *testing.T) *exec.Cmd {
	t.Helper()
	compiler, emulator := "aarch64-linux-gnu-gcc", []string{"qemu-aarch64-static", "-cpu", "max"}
	if runtime.GOARCH == "arm64" {
		compiler, emulator = "gcc", nil
	}
	path := filepath.Join(t.TempDir(), "execute")
	out, err := exec.Command(compiler, "-O1", "-static", "-o", path, filepath.Join("testdata", "execute", "main.c")).CombinedOutput()
	require.NoError(t, err, "%s: make cross installs the compiler", out)
	if emulator == nil {
		return exec.Command(path)
	}
	if _, err := exec.LookPath(emulator[0]); err != nil {
		emulator[0] = "qemu-aarch64"
	}
	return exec.Command(emulator[0], append(emulator[1:], path)...)
}

// executable reports whether an instruction has effects only on registers other than the
// stack pointer, so that testdata/execute can execute it.
func executable(e *Effects) bool {
	return e.Sys == SysNone && e.Jump.Kind == JumpNone && e.Mem.N == 0 && !e.Mem.Prefetch &&
		!(e.Reads | e.Writes).Has(SP) && e.Value.Kind != ValueAddress && e.Value.Kind != ValuePage
}

// TestDecodeExecuted executes instructions of every mnemonic that does not access memory.
// Each is executed twice, from two states that agree only in the registers of Reads. After
// it, the registers of Writes must agree, with zeros above their width. All other registers
// must be unchanged. If the instruction has a Value, the result must be that value.
func TestDecodeExecuted(t *testing.T) {
	const perForm = 12 // words for each mnemonic with the same kinds of operands
	random := rand.New(rand.NewPCG(15, 16))
	var candidates, words []uint32
	sampled := randomWords(random)
	for range 1000 { // moves between registers, which are rare among random words
		sampled = append(sampled, random.Uint32()&0x801f001f|0x2a0003e0)
	}
	for _, word := range sampled {
		if e, ok := Decode(word); ok && executable(&e) {
			candidates = append(candidates, word)
		}
	}
	forms := map[string]int{}
	for i, objdump := range disassembleObjdump(t, candidates) {
		form := objdump.name
		if e, _ := Decode(candidates[i]); e.Value.Kind == ValueCopy {
			form += " copies"
		}
		for _, o := range objdump.ops {
			form += fmt.Sprint(" ", string(o.kind), o.k, o.lane)
		}
		if forms[form]++; forms[form] <= perForm {
			words = append(words, candidates[i])
		}
	}
	var input bytes.Buffer
	states := make([][2]state, len(words))
	for i, word := range words {
		e, _ := Decode(word)
		states[i] = twoStates(random, &e)
		require.NoError(t, binary.Write(&input, binary.LittleEndian, word))
		require.NoError(t, binary.Write(&input, binary.LittleEndian, &states[i]))
	}
	cmd := executeCommand(t)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = &input, &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "after %d of %d words: %s", len(out)/binary.Size(states[0]), len(words), stderr.Bytes())
	after := make([][2]state, len(words))
	require.NoError(t, binary.Read(bytes.NewReader(out), binary.LittleEndian, after))
	values := map[ValueKind]int{}
	for i, word := range words {
		e, _ := Decode(word)
		if wrong := executionError(&e, &states[i], &after[i]); wrong != "" {
			t.Errorf("%08x: %s: %+v", word, wrong, e)
		}
		if want, ok := expectedValue(&e, &states[i][0]); ok {
			values[e.Value.Kind]++
			if got := after[i][0].X[e.Value.Rd]; got != want {
				t.Errorf("%08x: the result is %#x, its value %#x: %+v", word, got, want, e)
			}
		}
	}
	require.Greater(t, len(forms), 500)
	require.Len(t, values, 7, "kinds of values")
	t.Logf("%d words of %d forms executed; values %v", len(words), len(forms), values)
}

// twoStates returns two random states that agree in what the effects read.
func twoStates(random *rand.Rand, e *Effects) (s [2]state) {
	for i := range s {
		for r := range s[i].X {
			s[i].X[r] = random.Uint64() >> (random.Uint32() & 3 * 16)
		}
		s[i].Flags = uint64(random.Uint32() & 15 << 28)
		for r := range s[i].V {
			binary.LittleEndian.PutUint64(s[i].V[r][:], random.Uint64())
			binary.LittleEndian.PutUint64(s[i].V[r][8:], random.Uint64())
		}
	}
	a, b := &s[0], &s[1]
	for r := range a.X {
		switch {
		case e.Reads64.Has(r):
			b.X[r] = a.X[r]
		case e.Reads.Has(r):
			b.X[r] = b.X[r]>>32<<32 | a.X[r]&(1<<32-1)
		}
	}
	if e.ReadsFlags {
		b.Flags = a.Flags
	}
	for r := range a.V {
		copy(b.V[r][:e.VReads.Width(r)], a.V[r][:])
	}
	return s
}

// executionError returns how the execution of an instruction contradicts its effects, or
// "" if it does not.
func executionError(e *Effects, before, after *[2]state) string {
	a, b := &after[0], &after[1]
	for i := range after {
		for r := range a.X {
			switch {
			case !e.Writes.Has(r) && after[i].X[r] != before[i].X[r]:
				return fmt.Sprintf("R%d changes", r)
			case e.Writes.Has(r) && !e.Writes64.Has(r) && after[i].X[r]>>32 != 0:
				return fmt.Sprintf("R%d is written above 32 bits", r)
			}
		}
		for r := range a.V {
			width := e.VWrites.Width(r)
			if width == 0 && after[i].V[r] != before[i].V[r] {
				return fmt.Sprintf("V%d changes", r)
			} else if width > 0 && bytes.Trim(after[i].V[r][width:], "\x00") != nil {
				return fmt.Sprintf("V%d is written above %d bytes", r, width)
			}
		}
		if !e.WritesFlags && after[i].Flags != before[i].Flags {
			return "the flags change"
		}
	}
	for set := e.Writes; set != 0; set &= set - 1 {
		if r := bits.TrailingZeros32(uint32(set)); a.X[r] != b.X[r] {
			return fmt.Sprintf("R%d depends on what is not read", r)
		}
	}
	for set := e.VWrites.All(); set != 0; set &= set - 1 {
		if r := bits.TrailingZeros32(uint32(set)); a.V[r] != b.V[r] {
			return fmt.Sprintf("V%d depends on what is not read", r)
		}
	}
	if e.WritesFlags && a.Flags != b.Flags {
		return "the flags depend on what is not read"
	}
	return ""
}

// expectedValue computes what Value says that a general register gets.
func expectedValue(e *Effects, s *state) (n uint64, ok bool) {
	v := &e.Value
	get := func(r int8) uint64 {
		if r == ZR {
			return 0
		}
		return s.X[r]
	}
	wide := v.Kind != ValueUnknown && e.Writes64.Has(int(v.Rd))
	switch v.Kind {
	case ValueConstant:
		n = uint64(v.N)
	case ValueInsert:
		n = get(v.Rd)&^(0xffff<<v.Shift) | uint64(v.N)<<v.Shift
	case ValueCopy, ValueAdd:
		n = get(v.Rn) + uint64(v.N)
	case ValueAddReg:
		n = get(v.Rn) + extendedOperand(get(v.Rm), v, wide)
	case ValueSubReg:
		n = get(v.Rn) - extendedOperand(get(v.Rm), v, wide)
	case ValueFromVector:
		n = binary.LittleEndian.Uint64(s.V[v.Rn][:])
	default:
		return 0, false
	}
	if !wide {
		n &= 1<<32 - 1
	}
	return n, true
}

// extendedOperand returns the second operand of an addition.
func extendedOperand(m uint64, v *Value, wide bool) uint64 {
	width := uint(64)
	if !wide {
		width = 32
		m &= 1<<32 - 1
	}
	switch v.Extend {
	case LSR:
		return m >> v.Shift
	case ASR:
		return uint64(int64(m<<(64-width)) >> (64 - width) >> v.Shift)
	case LSL, UXTX, SXTX:
		return m << v.Shift
	}
	drop := 64 - 8<<(v.Extend&3)
	if v.Extend >= SXTB {
		return uint64(int64(m<<drop)>>drop) << v.Shift
	}
	return m << drop >> drop << v.Shift
}
