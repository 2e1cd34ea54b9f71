package victim_test

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"flag"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/labtest"
	"splitadd/internal/victim"
)

// A port is a GOARCH, and how go tool objdump prints its instructions.
type port struct {
	arch     string
	sp       string         // the name of the stack pointer
	implicit *regexp.Regexp // instructions that write the stack pointer, although it is not the last operand
	// word decodes an instruction, if objdump does not know the port: does it write the
	// stack pointer, and does it end a block?
	word     func(w uint32) (writes, ends bool)
	affected bool // the port has windows of the stack pointer
}

var allPorts = flag.Bool("ports", false, "all ports: builds the standard library for each")

var ports = []port{
	{arch: "386", sp: "SP", implicit: regexp.MustCompile(`^(PUSH|POP)`)},
	{arch: "amd64", sp: "SP", implicit: regexp.MustCompile(`^(PUSH|POP)`)},
	{arch: "arm", sp: "R13", implicit: regexp.MustCompile(`^MOV\w*\.\w*[WP].*\(R13\)|^MOVM.*\(?R13\)?`)},
	{arch: "arm64", sp: "RSP", implicit: regexp.MustCompile(`^\w+\.[WP] .*\(RSP\)`), affected: true},
	{arch: "loong64", sp: "R3", implicit: regexp.MustCompile(`^$`)},
	{arch: "mips64le", word: mips},
	{arch: "mipsle", word: mips},
	{arch: "ppc64le", sp: "R1", implicit: regexp.MustCompile(`^MOV\w*U\b.*\(R1\)`)},
	{arch: "riscv64", sp: "X2", implicit: regexp.MustCompile(`^$`)},
	{arch: "s390x", sp: "R15", implicit: regexp.MustCompile(`^$`)},
}

// mips is a port's word function. The stack pointer is R29.
func mips(w uint32) (writes, ends bool) {
	op, rt, rd, function := w>>26, w>>16&31, w>>11&31, w&63
	switch op {
	case 0x08, 0x09, 0x18, 0x19, 0x0d, 0x0f: // ADDI(U), DADDI(U), ORI, LUI
		return rt == 29, false
	case 0:
		return rd == 29 && function != 8, function == 8 // R-type; JR
	case 2: // J
		return false, true
	case 4: // BEQ: if both registers are the same, it always branches
		return false, w>>21&31 == rt
	}
	return false, false
}

// An instruction is what the tests need to know of one.
type instruction struct {
	pc     uint64
	text   string
	writes bool // it writes the stack pointer
	ends   bool // control never goes on to the next instruction
}

// TestPorts builds the victims for every port of Go. It compares the instructions that
// write the stack pointer with the changes of the stack pointer in the function table. It
// does not compare values: if each write has its own change, and each change its own
// write, no boundary has a partial stack pointer.
func TestPorts(t *testing.T) {
	for _, p := range ports {
		if !*allPorts && p.arch != "arm64" && (p.arch != "amd64" || testing.Short()) {
			continue
		}
		t.Run(p.arch, func(t *testing.T) {
			path := labtest.Build(t, "", "./guest", []string{"GOTOOLCHAIN=go1.27.4", "GOARCH=" + p.arch})
			functions := table(t, path)
			checked, found := 0, 0
			for _, c := range labtest.Few(t, 4, victim.Cases()) {
				fn, ok := functions["splitadd/internal/victim."+c.Func]
				require.True(t, ok, c.Func)
				code := p.disassemble(t, path, fn)
				require.NotEmpty(t, code, c.Func)
				most := int32(0)
				for i, in := range code {
					most = max(most, fn.sp(in.pc))
					if i+1 == len(code) || in.ends {
						continue
					}
					checked++
					if changes := fn.sp(code[i+1].pc) != fn.sp(in.pc); changes != in.writes {
						found++
						assert.True(t, p.affected, "%s at %#x: %s: writes %t, pcsp changes %t", c.Func, in.pc, in.text, in.writes, changes)
					}
				}
				// The frame has nearly the same size as on arm64.
				assert.InDelta(t, c.Frame, most, 1024, c.Func)
			}
			t.Logf("%d boundaries in %d functions, %d with a write and no change, or a change and no write", checked, len(victim.Cases()), found)
			assert.Equal(t, p.affected, found > 0, "the check must see the windows of arm64, and only those")
		})
	}
}

// TestFramePointer checks that every instruction that writes the frame pointer of amd64
// writes all of it. The runtime follows frame pointers on amd64 as well.
func TestFramePointer(t *testing.T) {
	path := labtest.Build(t, "", "./guest", []string{"GOTOOLCHAIN=go1.27.4", "GOARCH=amd64"})
	whole := regexp.MustCompile(`^(MOVQ SP, BP|LEAQ \S+\(SP\), BP|POPQ BP)$`)
	writes := regexp.MustCompile(`, BP$|^POPQ BP$`)
	functions, n := table(t, path), 0
	cases := labtest.Few(t, 4, victim.Cases())
	for _, c := range cases {
		for _, in := range (port{sp: "SP", implicit: regexp.MustCompile(`^(PUSH|POP)`)}).disassemble(t, path, functions["splitadd/internal/victim."+c.Func]) {
			if writes.MatchString(in.text) && !strings.HasPrefix(in.text, "CMP") && !strings.HasPrefix(in.text, "TEST") {
				n++
				assert.Regexp(t, whole, in.text, c.Func)
			}
		}
	}
	assert.GreaterOrEqual(t, n, 2*len(cases))
}

// disassemble lists the instructions of a function.
func (p port) disassemble(t *testing.T, path string, fn function) (code []instruction) {
	if p.word != nil {
		for i := 0; i+4 <= len(fn.code); i += 4 {
			w := binary.LittleEndian.Uint32(fn.code[i:])
			in := instruction{pc: fn.entry + uint64(i), text: fmt.Sprintf("%08x", w)}
			in.writes, in.ends = p.word(w)
			code = append(code, in)
			if in.ends && i+8 <= len(fn.code) { // Go puts a no-op into the delay slot
				i += 4
			}
		}
		return code
	}
	out, err := exec.Command("go", "tool", "objdump", "-s", "^"+regexp.QuoteMeta(fn.name)+"$", path).Output()
	require.NoError(t, err)
	lines := bufio.NewScanner(bytes.NewReader(out))
	listed := regexp.MustCompile(`^\s+\S+\s+0x([0-9a-f]+)\s+([0-9a-f]+)\s+(.*?)\s*$`)
	for lines.Scan() {
		m := listed.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		pc, err := strconv.ParseUint(m[1], 16, 64)
		require.NoError(t, err)
		in := instruction{pc: pc, text: m[3]}
		mnemonic, operands, _ := strings.Cut(m[3], " ")
		all := strings.Split(strings.ReplaceAll(operands, ", ", ","), ",")
		last := all[len(all)-1]
		in.writes = p.implicit.MatchString(m[3]) || last == p.sp && !regexp.MustCompile(`^(CMP|CMN|TST|TEST|B|JMP|CALL)`).MatchString(mnemonic)
		in.ends = regexp.MustCompile(`^(RET|JMP|JR|B|BR|UNDEF|INT|UD2|EBREAK|HALT|BRRK)$`).MatchString(mnemonic) ||
			p.arch == "arm" && last == "R15"
		if mnemonic == "?" && p.arch == "arm" { // may be a load or store that also writes its base register
			w, err := strconv.ParseUint(m[2], 16, 32)
			require.NoError(t, err)
			in.writes = w>>26&3 == 1 && (w>>21&1 == 1 || w>>24&1 == 0) && w>>16&15 == 13
		}
		code = append(code, in)
	}
	return code
}

// A function is what the function table says of a function.
type function struct {
	name  string
	entry uint64
	code  []byte
	ends  []uint64 // pcsp has value[i] below the address ends[i], and from ends[i-1] on
	value []int32
}

// sp returns the distance of the stack pointer from its value at entry, in bytes, as
// pcsp has it.
func (f function) sp(pc uint64) int32 {
	for i, end := range f.ends {
		if pc < end {
			return f.value[i]
		}
	}
	return 0
}

// table reads the function table of an ELF file of any port, in the layout of Go 1.20 and
// later (internal/abi/symtab.go, cmd/link/internal/ld/pcln.go). It does not check the
// file.
func table(t *testing.T, path string) map[string]function {
	file, err := elf.Open(path)
	require.NoError(t, err)
	defer file.Close()
	text := file.Section(".text")
	code, err := text.Data()
	require.NoError(t, err)
	data, err := file.Section(".gopclntab").Data()
	require.NoError(t, err)
	order, size := file.ByteOrder, int(data[7])
	quantum := uint64(data[6])
	word := func(i int) uint64 {
		if size == 4 {
			return uint64(order.Uint32(data[8+4*i:]))
		}
		return order.Uint64(data[8+8*i:])
	}
	u32 := func(at uint64) uint64 { return uint64(order.Uint32(data[at:])) }
	names, pctab, functab := word(3), word(6), word(7)
	functions := map[string]function{}
	for i := range word(0) {
		start, record := u32(functab+8*i), functab+u32(functab+8*i+4)
		name := data[names+u32(record+4):]
		f := function{name: string(name[:bytes.IndexByte(name, 0)]), entry: text.Addr + start}
		f.code = code[start:min(u32(functab+8*i+8), uint64(len(code)))]
		pc, value, at := f.entry, int32(-1), pctab+u32(record+16)
		for first := true; ; first = false {
			delta, n := binary.Uvarint(data[at:])
			at += uint64(n)
			if delta == 0 && !first {
				break
			}
			value += int32(delta>>1) ^ -int32(delta&1)
			step, n := binary.Uvarint(data[at:])
			at += uint64(n)
			pc += step * quantum
			f.ends, f.value = append(f.ends, pc), append(f.value, value)
		}
		functions[f.name] = f
	}
	return functions
}
