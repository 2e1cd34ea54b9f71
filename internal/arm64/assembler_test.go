package arm64_test

import (
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	. "splitadd/internal/arm64"
	"splitadd/internal/lab/labtest"
)

// encodings matches the bytes that the tests of Go's assembler expect for a line.
var encodings = regexp.MustCompile(`(?m)^\s+[^/\n]*// ((?:[0-9a-f]{8})+)\b`)

// undecodedMnemonics are the mnemonics of objdump for what Go's assembler accepts and
// Decode does not decode: privileged instructions, those for debuggers, and maintenance of
// TLBs and memory tags (SYS). MSR is decoded except for SPSel.
var undecodedMnemonics = wordSet(`smc hvc hlt dcps1 dcps2 dcps3 eret drps sys sysl msr`)

// TestDecodeAssembler decodes every instruction in the tests of Go's assembler, and compares
// the effects with objdump.
func TestDecodeAssembler(t *testing.T) {
	var words []uint32
	for _, name := range []string{"arm64.s", "arm64enc.s"} {
		source, err := os.ReadFile(filepath.Join(labtest.GOROOT(t, "go1.27.4"), "src", "cmd", "asm", "internal", "asm", "testdata", name))
		require.NoError(t, err)
		for _, m := range encodings.FindAllSubmatch(source, -1) {
			code, err := hex.DecodeString(string(m[1]))
			require.NoError(t, err)
			for ; len(code) > 0; code = code[4:] {
				words = append(words, binary.LittleEndian.Uint32(code))
			}
		}
	}
	decoded, undecoded := map[string]int{}, map[string]int{}
	for i, objdump := range disassembleObjdump(t, words) {
		switch _, ok := Decode(words[i]); {
		case !ok:
			if undecoded[objdump.name]++; !undecodedMnemonics[objdump.name] || objdump.name == "msr" && !strings.Contains(objdump.text, "spsel") {
				t.Errorf("%08x is not decoded: %s", words[i], objdump.text)
			}
		default:
			decoded[objdump.name]++
			if d := (disassembler{name: "objdump"}).disagreement(words[i], objdump); d != "" {
				t.Error(d)
			}
		}
	}
	require.Greater(t, len(decoded), 350)
	t.Logf("%d words, %d mnemonics decoded; not decoded: %v", len(words), len(decoded), undecoded)
}
