package objtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A HostileFile is a file that claims too much.
type HostileFile struct {
	Name  string
	Kinds string // the kinds of error that its survey may return: "other", "exceeded" or "broken"; "" is no error
	Data  func() []byte
}

const largeFile = 60 << 20

// PeakMemory returns the most memory that this process has used, in bytes, on Linux.
func PeakMemory() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		return 0
	}
	kb, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return kb << 10
}

// SlowExecutable returns an executable with about size bytes of code. Surveying it takes the
// longest time for a file of its size.
func SlowExecutable(size int) []byte {
	return FakeExecutable{
		Code: repeat(size, addR3, strFP, cbz), Function: 3 << 20, Name: "runtime.fpTracebackPCs", PCSP: constantTable(3 << 18),
	}.Bytes()
}

// LargeExecutable describes an executable with about size bytes of code. Its functions are
// like those of programs: each has 64 instructions, a frame of 32 bytes and no window.
func LargeExecutable(size int) FakeExecutable {
	body := append([]uint32{0xf81e0ffe}, slices.Repeat([]uint32{addR3, nop}, 30)...) // MOVD.W R30, -32(RSP)
	body = append(body, 0xf84207fe, 0xd65f03c0, nop)                                 // MOVD.P 32(RSP), R30; RET
	return FakeExecutable{
		Code: repeat(size, body...), Function: 4 * len(body), Name: "main.f", File: "f.go",
		PCSP: []byte{2, 1, 64, 61, 63, 2}, // 0, then 32 after the store, then 0 after the load
	}
}

// ManyWindows returns an executable with one function of n windows. The function's name has
// name bytes, and the file has others bytes of other data.
func ManyWindows(n, name, others int) []byte {
	code := append(words(addSP), repeat(4*n, nop)...)
	return FakeExecutable{
		Code: code, Function: len(code), PCSP: constantTable(n + 1), Lines: risingTable(n + 1), Files: constantTable(n + 1),
		Name: "main." + strings.Repeat("f", name-5), File: "f.go", Info: make([]byte, others),
	}.Bytes()
}

// ManyFunctions returns an executable of n functions with one instruction each.
func ManyFunctions(n int) []byte {
	return FakeExecutable{Code: repeat(4*n, nop), Function: 4, Name: "main.f", File: "f.go", PCSP: constantTable(1)}.Bytes()
}

// HostileFiles returns files of at most 64 MB that claim too much.
func HostileFiles(t testing.TB) []HostileFile {
	t.Helper()
	seeds := Seeds(t)
	clone := func(name string, set map[string]uint64) []byte {
		m := seeds[name].Clone()
		for field, value := range set {
			m.Set(t, field, value)
		}
		return m.Data
	}
	made := func(m FakeExecutable) func() []byte {
		m.Name, m.File = "main.f"+m.Name, "f.go"+m.File
		return func() []byte { return m.Bytes() }
	}
	large := func(w ...uint32) []byte { return append(words(addSP), repeat(largeFile, w...)...) }
	const million = 4 << 20 // bytes
	return []HostileFile{
		{"a relocation at the last address", "other", func() []byte {
			data := make([]byte, 256)
			for i, word := range []uint64{7, 64, 8, 48, 0, 0, 0, 0, 0x80, 1027, 0, ^uint64(7), 1027, 0} { // DT_RELA, DT_RELASZ
				binary.LittleEndian.PutUint64(data[8*i:], word)
			}
			file := MakeELF(Load{Addr: 0, Flags: 6, Data: data}, Load{Addr: 0, Flags: 4, Data: data[:48]})
			file[64+56] = 2 // PT_DYNAMIC
			return file
		}},
		{"four segments over the same false headers", "exceeded", func() []byte {
			return WithLoads(t, seeds["elf"], FalseHeaders(largeFile), 4)
		}},
		{"false headers before the table", "", func() []byte { return WithLoads(t, seeds["elf"], FalseHeaders(largeFile), 1) }},
		{"false headers and no table", "broken", func() []byte {
			return MakeELF(Load{Addr: 0x10000, Flags: 6, Data: FalseHeaders(largeFile)})
		}},
		{"many module data", "exceeded", func() []byte {
			return FakeExecutable{Code: repeat(1<<20, nop), Function: 4, Name: "f", PCSP: constantTable(1), Modules: largeFile / 352}.Bytes()
		}},
		{"relocations over the whole file", "", func() []byte {
			m := seeds["pie"].Clone()
			entry := make([]byte, 24)
			binary.LittleEndian.PutUint64(entry, 0x7000_0000_0000)
			binary.LittleEndian.PutUint64(entry[8:], 1027)
			m.Set(t, "dyn.rela", 0x7000_0000_0000)
			m.Set(t, "dyn.relasz", largeFile/24*24)
			return WithLoads(t, m, bytes.Repeat(entry, largeFile/24), 1)
		}},
		{"chained fixups of pages of no bytes", "broken", func() []byte {
			m := seeds["chained"].Clone()
			m.Set(t, "fixups.bytes", 1<<18)
			for name := range m.Fields {
				if strings.HasSuffix(name, ".page") {
					m.Set(t, name, 0)
					fixups := strings.TrimSuffix(name, "page")
					m.Set(t, fixups+"pages", 0xffff)
					for i := 0; m.Has(fmt.Sprintf("%sstart[%d]", fixups, i)); i++ {
						m.Set(t, fmt.Sprintf("%sstart[%d]", fixups, i), 0)
					}
					for command := range m.Fields {
						if segment, ok := strings.CutSuffix(command, ".fileoff"); ok && m.Get(t, command) == m.Get(t, fixups+"offset") {
							m.Set(t, command, uint64(len(m.Data)))
							m.Set(t, segment+".filesize", 20<<20)
							m.Set(t, segment+".vmsize", 20<<20)
							m.Set(t, segment+".vmaddr", 0x7000_0000_0000)
						}
					}
				}
			}
			return append(m.Data, bytes.Repeat(binary.LittleEndian.AppendUint64(nil, 2<<51), 20<<20/8)...)
		}},
		{"many segments over the same bytes", "exceeded", func() []byte {
			command := make([]byte, 72)
			copy(command, words(0x19, 72))
			binary.LittleEndian.PutUint64(command[48:], largeFile)
			return commands(largeFile/72, command, FalseHeaders(1<<20))
		}},
		{"line tables that many functions share", "broken exceeded", made(FakeExecutable{
			Code: repeat(1<<20, nop), Function: 8, PCSP: bytes.Repeat([]byte{2, 0}, largeFile/4), Lines: bytes.Repeat([]byte{2, 0}, largeFile/4),
		})},
		{"65,535 segments in one program header", "broken", func() []byte {
			first := seeds["elf"].Fields["ph[2].type"].At
			return clone("elf", map[string]uint64{"elf.phentsize": 0, "elf.phnum": 65535, "elf.phoff": uint64(first)})
		}},
		{"a line for each of 60,000 windows", "", made(FakeExecutable{
			Code: append(words(addSP), repeat(240_000, nop)...), Function: 240_004, PCSP: constantTable(60_001), Lines: risingTable(60_001), Files: constantTable(60_001),
		})},
		{"a function of millions of windows", "exceeded", made(FakeExecutable{
			Code: large(nop), Function: largeFile + 4, PCSP: constantTable(largeFile/4 + 1),
		})},
		{"a million windows with long names", "exceeded", made(FakeExecutable{
			Code: repeat(2*million, addSP, nop), Function: 8, PCSP: constantTable(2), Lines: risingTable(2), Files: constantTable(2),
			Name: strings.Repeat("n", 60_000), File: strings.Repeat("f", 60_000),
		})},
		{"a million functions with long names", "exceeded", made(FakeExecutable{
			Code: repeat(3*million, addSP, 0x14000001, 0xd65f03c0), Function: 12, PCSP: []byte{2, 1, 16, 1, 16, 1}, Name: strings.Repeat("n", 60_000),
		})},
		{"2 MB of CBZ", "exceeded", made(FakeExecutable{
			Code: append(words(addSP), repeat(2<<20, cbz)...), Function: 2<<20 + 4, PCSP: constantTable(2<<18 + 1),
		})},
		{"60 MB of CBZ", "exceeded", made(FakeExecutable{Code: large(cbz), Function: largeFile + 4, PCSP: constantTable(largeFile/4 + 1)})},
		{"60 MB of CBZ that changes the stack pointer", "exceeded", made(FakeExecutable{
			Code: large(cbz, addSP), Function: largeFile + 4, PCSP: constantTable(largeFile/4 + 1),
		})},
		{"many branches past many definitions", "exceeded", made(FakeExecutable{
			Code: repeat(largeFile, addR3, strFP, cbz), Function: 3 << 20, PCSP: constantTable(3 << 18),
		})},
		{"jumps to every instruction", "exceeded", made(FakeExecutable{
			Code: append(words(movLR), large(br)...), Function: largeFile + 4, PCSP: constantTable(largeFile/4 + 1),
		})},
		{"jumps to 4,000 instructions", "", made(FakeExecutable{
			Code: append(words(movLR), repeat(16_000, br)...), Function: 16_004, PCSP: constantTable(4_001),
		})},
		{"returns that nothing reaches", "exceeded", made(FakeExecutable{
			Code: append(words(movLR, br), repeat(400_000, 0xd65f03c0)...), Function: 400_008, PCSP: constantTable(100_002),
		})},
		{"many symbol tables", "other", func() []byte {
			return commands(100_000, words(2, 24, 32, 3_000_000, 0, largeFile), make([]byte, largeFile))
		}},
		{"PE relocations", "other", func() []byte { return relocations(0xaa64) }},
		{"PE relocations, for amd64", "other", func() []byte { return relocations(0x8664) }},
		{"modules without end", "", made(FakeExecutable{
			Code: repeat(1<<10, nop), Function: 1 << 10, PCSP: constantTable(1 << 8), Info: dependencies(),
		})},
		{"a table of functions alone", "", func() []byte { return ManyFunctions(5 << 20) }},
	}
}
