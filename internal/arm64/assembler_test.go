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

// encodings matches the bytes that the tests of Go's assembler expect of a line.
var encodings = regexp.MustCompile(`(?m)^\s+[^/\n]*// ((?:[0-9a-f]{8})+)\b`)

// leftOut are the mnemonics, as objdump has them, that Go's assembler knows and
// Decode does not: privileged instructions, those for debuggers, and maintenance
// of TLBs and memory tags (SYS). Of MSR it is SPSel only.
var leftOut = words(`smc hvc hlt dcps1 dcps2 dcps3 eret drps sys sysl msr`)

// TestDecodeAssembler decodes all that the tests of Go's assembler assemble, and
// compares it with objdump.
func TestDecodeAssembler(t *testing.T) {
	var all []uint32
	for _, name := range []string{"arm64.s", "arm64enc.s"} {
		source, err := os.ReadFile(filepath.Join(labtest.GOROOT(t, "go1.27.4"), "src", "cmd", "asm", "internal", "asm", "testdata", name))
		require.NoError(t, err)
		for _, m := range encodings.FindAllSubmatch(source, -1) {
			code, err := hex.DecodeString(string(m[1]))
			require.NoError(t, err)
			for ; len(code) > 0; code = code[4:] {
				all = append(all, binary.LittleEndian.Uint32(code))
			}
		}
	}
	agreed, left := map[string]int{}, map[string]int{}
	for i, said := range objdumpSays(t, all) {
		switch _, ok := Decode(all[i]); {
		case !ok:
			if left[said.name]++; !leftOut[said.name] || said.name == "msr" && !strings.Contains(said.text, "spsel") {
				t.Errorf("%08x is not decoded: %s", all[i], said.text)
			}
		default:
			agreed[said.name]++
			if d := (dialect{name: "objdump"}).disagreement(all[i], said); d != "" {
				t.Error(d)
			}
		}
	}
	require.Greater(t, len(agreed), 350)
	t.Logf("%d words, %d mnemonics decoded; not decoded: %v", len(all), len(agreed), left)
}
