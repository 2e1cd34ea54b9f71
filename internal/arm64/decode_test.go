package arm64_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/arch/arm64/arm64asm"

	. "splitadd/internal/arm64"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/objfile"
	"splitadd/internal/pclntab"
)

// A disassembler is a program or package with which Decode is compared.
type disassembler struct {
	name    string
	aliases bool // it prints aliases, such as MOV for ORR, so Value is not compared
}

// disagreement returns how the effects of a word and of its disassembly differ, or "" if
// they do not, or if the word is not decoded.
func (d disassembler) disagreement(word uint32, in instruction) string {
	got, ok := Decode(word)
	if !ok {
		return ""
	}
	want := in.model()
	want.Sys, got.SysReg = in.modelSys(), 0
	if want.Sys == SysMRS || want.Sys == SysMSR { // the flags, by name or by number
		flags := strings.Contains(in.text, "nzcv") || strings.Contains(in.text, "s3_3_c4_c2_0")
		want.ReadsFlags, want.WritesFlags = want.ReadsFlags || flags && in.name == "mrs", want.WritesFlags || flags && in.name == "msr"
	}
	if want.Value = in.modelValue(); d.aliases {
		want.Value = got.Value
		if got.Jump.Kind == JumpCond && got.Jump.Arg == 15 { // condition 15 is printed as condition 14: always
			got.Jump.Arg = 14
		}
	}
	if got != want {
		return fmt.Sprintf("%s: %08x %s:%s", d.name, word, in.text, difference("", reflect.ValueOf(got), reflect.ValueOf(want)))
	}
	return ""
}

// difference names the fields in which two structures differ.
func difference(name string, got, want reflect.Value) (s string) {
	if got.Kind() != reflect.Struct {
		if !got.Equal(want) {
			return fmt.Sprintf(" %s is %v, want %v", name, got, want)
		}
		return ""
	}
	for i := range got.NumField() {
		s += difference(name+"."+got.Type().Field(i).Name, got.Field(i), want.Field(i))
	}
	return s
}

// disassembleArm64asm disassembles a word with golang.org/x/arch/arm64/arm64asm.
func disassembleArm64asm(word uint32) (in instruction, ok bool) {
	inst, err := arm64asm.Decode(binary.LittleEndian.AppendUint32(nil, word))
	if err != nil {
		return in, false
	}
	in, err = parse(inst.String(), 0)
	return in, err == nil
}

// disassembleObjdump disassembles words with objdump. The result has one instruction for
// each word, whose name is "" if objdump does not know the word.
func disassembleObjdump(t *testing.T, words []uint32) []instruction {
	t.Helper()
	tool := "aarch64-linux-gnu-objdump"
	if runtime.GOARCH == "arm64" {
		tool = "objdump"
	}
	path, err := exec.LookPath(tool)
	require.NoError(t, err, "make cross installs it")
	var data []byte
	for _, w := range words {
		data = binary.LittleEndian.AppendUint32(data, w)
	}
	name := filepath.Join(t.TempDir(), "words")
	require.NoError(t, os.WriteFile(name, data, 0o644))
	cmd := exec.Command(path, "-D", "-z", "-b", "binary", "-m", "aarch64", "-M", "no-aliases", name)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	disassembled := make([]instruction, 0, len(words))
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		columns := strings.SplitN(lines.Text(), "\t", 3)
		addr, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(columns[0]), ":"), 16, 64)
		if len(columns) < 3 || err != nil {
			continue
		}
		text, _, _ := strings.Cut(columns[2], "//")
		text = strings.Replace(text, "\t", " ", 1)
		in, err := parse(text, addr)
		require.NoError(t, err)
		if in.name == ".inst" {
			in.name = ""
		}
		require.EqualValues(t, 4*len(disassembled), addr)
		disassembled = append(disassembled, in)
	}
	require.NoError(t, lines.Err())
	require.NoError(t, cmd.Wait())
	require.Len(t, disassembled, len(words))
	return disassembled
}

// occurrences counts how often a word is in functions, and how often control can reach it
// from the function's entry. Literal pools, padding, and code that only a jump table leads
// to are not reached.
type occurrences struct{ all, reached int }

// functionWords counts the words of all functions of a binary.
func functionWords(t *testing.T, path string, count map[uint32]occurrences) (n, reached int) {
	f, err := objfile.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	table, err := pclntab.Open(f)
	require.NoError(t, err)
	for i := range table.Len() {
		fn, err := table.Func(i)
		require.NoError(t, err)
		code, err := f.Bytes(fn.Entry, fn.End-fn.Entry)
		require.NoError(t, err)
		live := reachable(code)
		for i := range live {
			word := binary.LittleEndian.Uint32(code[4*i:])
			c := count[word]
			c.all++
			if live[i] {
				c.reached++
				reached++
			}
			count[word] = c
			n++
		}
	}
	return n, reached
}

// reachable returns which words control can reach from the first, according to Decode.
func reachable(code []byte) []bool {
	live := make([]bool, len(code)/4)
	for todo := []int{0}; len(todo) > 0; {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for i >= 0 && i < len(live) && !live[i] {
			live[i] = true
			e, ok := Decode(binary.LittleEndian.Uint32(code[4*i:]))
			flow := e.Jump.Kind.Flow()
			if flow == FlowBranch || flow == FlowCond {
				todo = append(todo, i+int(e.Jump.Offset/4))
			}
			if !ok || flow == FlowBranch || flow == FlowExit {
				break
			}
			i++
		}
	}
	return live
}

// literalMnemonics are the mnemonics that objdump prints for constants in literal pools that
// Decode does not decode: the constant of runtime.call67108864 looks like an instruction of
// SVE, and that of runtime.call134217728 like a STXRB whose operands are constrained
// unpredictable.
var literalMnemonics = map[string]bool{"add": true, "stxrb": true}

// TestDecodeRealCode compares the effects of every word of the functions of
// cmd/go with two disassemblers.
func TestDecodeRealCode(t *testing.T) {
	count := map[uint32]occurrences{}
	for _, release := range []string{"go1.18.10", "go1.23.4", "go1.27.4"} {
		if labtest.LeftOut(t, release) {
			continue
		}
		least, path := 200_000, ""
		if testing.Short() { // instead of cmd/go
			path = labtest.Guest(t, release)
		} else {
			least, path = 1_000_000, labtest.Build(t, filepath.Join(labtest.GOROOT(t, release), "src"), "cmd/go", []string{"GOTOOLCHAIN=" + release})
		}
		n, reached := functionWords(t, path, count)
		require.Greater(t, reached, least)
		t.Logf("%s: %d words in functions, %d reached from their entries", release, n, reached)
	}
	words := slices.Sorted(maps.Keys(count))
	total := map[string]int{}
	unknown := map[string]int{} // words that arm64asm does not know, by mnemonic of objdump
	wrong := 0
	report := func(d string) {
		if wrong++; wrong < 40 {
			t.Error(d)
		}
	}
	for i, objdump := range disassembleObjdump(t, words) {
		word, n := words[i], count[words[i]]
		e, ok := Decode(word)
		total["words"] += n.all
		switch known := objdump.name != ""; {
		case !ok && n.reached > 0, !ok && known && !literalMnemonics[objdump.name]:
			report(fmt.Sprintf("%08x is not decoded: %s", word, objdump.text))
			continue
		case !ok:
			total["literals that do not decode"] += n.all
			continue
		case !known && e.Jump.Kind == JumpTrap: // the word for UNDEF, which objdump does not know
			total["UNDEF"] += n.all
			continue
		case word>>16 == 0 && word != 0:
			total["literals that look like UDF"] += n.all
		case word == 0:
			total["zeros"] += n.all
		}
		if d := (disassembler{name: "objdump"}).disagreement(word, objdump); d != "" {
			report(d)
			continue
		}
		total["objdump agrees"] += n.all
		if in, known := disassembleArm64asm(word); !known {
			unknown[objdump.name] += n.all
		} else if d := (disassembler{"arm64asm", true}).disagreement(word, in); d != "" {
			report(d)
		} else {
			total["arm64asm agrees"] += n.all
		}
	}
	require.Zero(t, wrong, "disagreements")
	t.Logf("%d distinct words; %v", len(words), total)
	t.Logf("not known to arm64asm: %v", unknown)
}

// randomWords returns 1,500,000 random words of the encoding groups of arm64, or a tenth of
// that in -short mode, and one word for each value of the bits that distinguish SIMD and
// floating-point instructions.
func randomWords(random *rand.Rand) (words []uint32) {
	n := 1_500_000
	if testing.Short() {
		n /= 10
	}
	for i := range n {
		word := random.Uint32()
		if i%2 == 0 { // many groups are allocated only with zeros here
			word &= ^uint32(0x1ff<<15) | random.Uint32()
		}
		words = append(words, word&^(15<<25)|(4+uint32(i)%12)<<25)
	}
	for code := range uint32(1 << 18) {
		words = append(words, code>>15<<28|7<<25|code&(1<<15-1)<<10|random.Uint32()&0x3ff)
	}
	return words
}

// TestDecodeRandom compares the effects of random words of every encoding group,
// except those of SVE and SME, with two disassemblers. A word that Decode knows
// and objdump does not is an error.
func TestDecodeRandom(t *testing.T) {
	words := randomWords(rand.New(rand.NewPCG(9, 10)))
	total, decoded, undecoded := map[string]int{}, map[string]int{}, map[string]int{}
	wrong := map[string]int{}
	report := func(name, d string) {
		if wrong[name]++; wrong[name] < 3 && len(wrong) < 40 {
			t.Error(d)
		}
	}
	for i, objdump := range disassembleObjdump(t, words) {
		word := words[i]
		_, ok := Decode(word)
		switch in, known := disassembleArm64asm(word); {
		case known && ok:
			if d := (disassembler{"arm64asm", true}).disagreement(word, in); d != "" {
				report("arm64asm "+in.name, d)
			}
			total["arm64asm agrees"]++
		case known:
			total["only arm64asm decodes"]++
		}
		switch known := objdump.name != ""; {
		case ok && known:
			decoded[objdump.name]++
			if d := (disassembler{name: "objdump"}).disagreement(word, objdump); d != "" {
				report(objdump.name, d)
			}
			total["objdump agrees"]++
		case ok:
			report("unknown", fmt.Sprintf("%08x is decoded, but objdump does not know it", word))
		case known:
			total["only objdump decodes"]++
			undecoded[objdump.name]++
		}
	}
	assert.Empty(t, wrong)
	require.Greater(t, len(decoded), 400, "mnemonics")
	t.Logf("%d words: %v", len(words), total)
	t.Logf("%d mnemonics decoded: %v", len(decoded), decoded)
	t.Logf("not decoded: %v", undecoded)
}
