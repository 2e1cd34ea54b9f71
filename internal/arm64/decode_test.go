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

// A dialect is a disassembler.
type dialect struct {
	name    string
	aliases bool // it prefers MOV to ORR, and so on: Value is not compared
}

// disagreement returns how Decode and a disassembled instruction differ, if
// Decode knows the word.
func (d dialect) disagreement(word uint32, in instruction) string {
	got, ok := Decode(word)
	if !ok {
		return ""
	}
	want := in.model()
	want.Sys, got.SysReg = in.modelSys(), 0
	if want.Sys == MRS || want.Sys == MSR { // the flags, by name or by number
		flags := strings.Contains(in.text, "nzcv") || strings.Contains(in.text, "s3_3_c4_c2_0")
		want.ReadsFlags, want.WritesFlags = want.ReadsFlags || flags && in.name == "mrs", want.WritesFlags || flags && in.name == "msr"
	}
	if want.Value = in.modelValue(); d.aliases {
		want.Value = got.Value
		if got.Jump.Kind == JumpCond && got.Jump.Arg == 15 { // always, as 14, and printed as that
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

// arm64asmSays disassembles a word with golang.org/x/arch.
func arm64asmSays(word uint32) (in instruction, ok bool) {
	inst, err := arm64asm.Decode(binary.LittleEndian.AppendUint32(nil, word))
	if err != nil {
		return in, false
	}
	in, err = parse(inst.String(), 0)
	return in, err == nil
}

// objdumpSays disassembles words with objdump, one instruction each; those that
// it does not know have no name.
func objdumpSays(t *testing.T, all []uint32) []instruction {
	t.Helper()
	tool := "aarch64-linux-gnu-objdump"
	if runtime.GOARCH == "arm64" {
		tool = "objdump"
	}
	path, err := exec.LookPath(tool)
	require.NoError(t, err, "make cross installs it")
	var data []byte
	for _, w := range all {
		data = binary.LittleEndian.AppendUint32(data, w)
	}
	name := filepath.Join(t.TempDir(), "words")
	require.NoError(t, os.WriteFile(name, data, 0o644))
	cmd := exec.Command(path, "-D", "-z", "-b", "binary", "-m", "aarch64", "-M", "no-aliases", name)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	said := make([]instruction, 0, len(all))
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
		require.EqualValues(t, 4*len(said), addr)
		said = append(said, in)
	}
	require.NoError(t, lines.Err())
	require.NoError(t, cmd.Wait())
	require.Len(t, said, len(all))
	return said
}

// functionWords counts the words of all functions of a binary.
func functionWords(t *testing.T, path string, count map[uint32]int) (n int) {
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
		for at := 0; at+4 <= len(code); at += 4 {
			count[binary.LittleEndian.Uint32(code[at:])]++
			n++
		}
	}
	return n
}

// TestDecodeRealCode compares the effects of every word of the functions of
// cmd/go with two disassemblers.
func TestDecodeRealCode(t *testing.T) {
	count := map[uint32]int{}
	for _, release := range []string{"go1.18.10", "go1.23.4", "go1.27.4"} {
		path := labtest.Build(t, filepath.Join(labtest.GOROOT(t, release), "src"), "cmd/go", []string{"GOTOOLCHAIN=" + release})
		n := functionWords(t, path, count)
		require.Greater(t, n, 1_000_000)
		t.Logf("%s: %d words in functions", release, n)
	}
	all := slices.Sorted(maps.Keys(count))
	agree := map[string]int{}
	unknown := map[string]int{} // to arm64asm, by what objdump calls them
	wrong := 0
	for i, said := range objdumpSays(t, all) {
		word, n := all[i], count[all[i]]
		_, ok := Decode(word)
		agree["words"] += n
		switch instruction := said.name != "" && said.name != "udf"; {
		case !instruction && !ok:
			agree["no instruction"] += n
			continue
		case !instruction && word>>16 != 0:
			t.Errorf("%08x is decoded, but objdump does not know it", word)
		case !ok:
			t.Errorf("%08x is not decoded: %s", word, said.text)
			continue
		}
		if said.name == "udf" {
			agree["no instruction: UDF"] += n
		}
		if d := (dialect{name: "objdump"}).disagreement(word, said); d == "" {
			agree["objdump agrees"] += n
		} else if wrong++; wrong < 40 {
			t.Error(d)
		}
		in, known := arm64asmSays(word)
		if !known {
			unknown[said.name] += n
			continue
		}
		if d := (dialect{"arm64asm", true}).disagreement(word, in); d == "" {
			agree["arm64asm agrees"] += n
		} else if wrong++; wrong < 40 {
			t.Error(d)
		}
	}
	require.Zero(t, wrong, "disagreements")
	t.Logf("%d distinct words; %v", len(all), agree)
	t.Logf("not known to arm64asm: %v", unknown)
}

// TestDecodeRandom compares the effects of random words of every encoding group
// with two disassemblers.
func TestDecodeRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	all := make([]uint32, 2_000_000)
	for i := range all {
		if all[i] = random.Uint32(); i%2 == 0 { // many groups want zeros here
			all[i] &= random.Uint32()
		}
	}
	agree, names, excess := map[string]int{}, map[string]int{}, 0
	wrong := map[string]int{}
	complain := func(name, d string) {
		if wrong[name]++; wrong[name] < 3 && len(wrong) < 40 {
			t.Error(d)
		}
	}
	for i, said := range objdumpSays(t, all) {
		word := all[i]
		_, ok := Decode(word)
		if in, known := arm64asmSays(word); known && ok {
			if d := (dialect{"arm64asm", true}).disagreement(word, in); d != "" {
				complain("arm64asm "+in.name, d)
			}
			agree["arm64asm agrees"]++
		} else if known {
			agree["only arm64asm decodes"]++
		}
		switch known := said.name != ""; {
		case ok && known:
			names[said.name]++
			if d := (dialect{name: "objdump"}).disagreement(word, said); d != "" {
				complain(said.name, d)
			}
			agree["objdump agrees"]++
		case ok:
			if excess++; excess < 20 {
				t.Errorf("%08x is decoded, but objdump does not know it", word)
			}
		case known:
			agree["only objdump decodes"]++
			names["not "+said.name]++
		}
	}
	t.Logf("%d words: %v", len(all), agree)
	t.Logf("%v", names)
	assert.Empty(t, wrong)
	assert.Zero(t, excess)
}
