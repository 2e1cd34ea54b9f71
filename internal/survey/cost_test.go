//go:build linux

package survey_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/budget"
	"splitadd/internal/lab/labtest"
	"splitadd/internal/objfile"
	"splitadd/internal/objfile/objtest"
	"splitadd/internal/survey"
)

// What a hostile file of at most 64 MB may cost.
const (
	mostTime   = 5 * time.Second
	mostMemory = 300 << 20
	largeFile  = 60 << 20
)

// A cost is what a survey of one file took, in a process of its own.
type cost struct {
	Seconds float64
	Memory  int64 // bytes, at most at a time
	Windows int
	Error   string
	Kind    string // of the error: "other", "exceeded", "panic" or "broken"
}

const surveyed = "SPLITADD_SURVEYED"

// TestMain surveys a file instead of testing, in the process that survey starts.
func TestMain(m *testing.M) {
	path := os.Getenv(surveyed)
	if path == "" {
		os.Exit(m.Run())
	}
	begin := time.Now()
	b, err := survey.File(context.Background(), path, true, budget.Default)
	c := cost{Seconds: time.Since(begin).Seconds()}
	if b != nil {
		c.Windows = len(b.Functions)
	}
	if err != nil {
		c.Error = err.Error()
		switch {
		case errors.Is(err, objfile.ErrPanic):
			c.Kind = "panic"
		case errors.Is(err, survey.ErrOther):
			c.Kind = "other"
		case errors.Is(err, budget.ErrExceeded):
			c.Kind = "exceeded"
		default:
			c.Kind = "broken"
		}
	}
	status, _ := os.ReadFile("/proc/self/status")
	if m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status); m != nil {
		kb, _ := strconv.ParseInt(string(m[1]), 10, 64)
		c.Memory = kb << 10
	}
	_ = json.NewEncoder(os.Stdout).Encode(c)
}

// measure surveys a file in a process of its own, which is killed after a while.
func measure(t *testing.T, path string) (c cost) {
	self, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), surveyed+"="+path)
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	require.NoError(t, json.Unmarshal(out, &c))
	return c
}

// repeat returns words over and over, up to a number of bytes.
func repeat(size int, words ...uint32) []byte {
	var one []byte
	for _, w := range words {
		one = binary.LittleEndian.AppendUint32(one, w)
	}
	return bytes.Repeat(one, size/len(one))
}

// values returns an encoded table whose value goes up at every instruction of a
// function.
func values(instructions int) []byte {
	return bytes.Repeat([]byte{2, 1}, instructions)
}

// Instructions.
const (
	addSP = 0x910043ff // ADD $16, RSP
	addR3 = 0x910043e3 // ADD $16, RSP, R3
	strFP = 0xf900007d // MOVD R29, (R3)
	nop   = 0xd503201f
	cbz   = 0xb4000040 // CBZ R0, 2 instructions on
)

// constant is a pcsp table that claims 0 all through a function.
func constant(instructions int) []byte {
	return binary.AppendUvarint([]byte{2}, uint64(instructions))
}

// loads returns an ELF file with so many more segments, before its own, all of the
// same data.
func loads(t *testing.T, m *objtest.Image, data []byte, n int) []byte {
	phnum, at := int(m.Get(t, "elf.phnum")), int(m.Get(t, "elf.phoff"))
	old := bytes.Clone(m.Data[at:][:56*phnum])
	var headers []byte
	for i := range n {
		h := make([]byte, 56)
		binary.LittleEndian.PutUint32(h, 1)
		binary.LittleEndian.PutUint32(h[4:], 6)
		binary.LittleEndian.PutUint64(h[8:], uint64(len(m.Data)))
		binary.LittleEndian.PutUint64(h[16:], 0x7000_0000_0000+uint64(i)<<32)
		binary.LittleEndian.PutUint64(h[32:], uint64(len(data)))
		headers = append(headers, h...)
	}
	headers = append(headers, old...)
	m = m.Clone()
	m.Data = append(append(m.Data, data...), headers...)
	m.Set(t, "elf.phoff", uint64(len(m.Data)-len(headers)))
	m.Set(t, "elf.phnum", uint64(phnum+n))
	return m.Data
}

// falseHeaders returns headers of function tables that nothing points to.
func falseHeaders(size int) []byte {
	var one []byte
	one = binary.LittleEndian.AppendUint64(one, 0x08040000_fffffff1)
	for _, w := range []uint64{1, 1, 0, 72, 72, 72, 72, 72} {
		one = binary.LittleEndian.AppendUint64(one, w)
	}
	return bytes.Repeat(one, size/len(one))
}

// commands returns a Mach-O file for arm64 of load commands and data.
func commands(n int, command, data []byte) []byte {
	var b []byte
	for _, w := range []uint32{0xfeedfacf, 0x0100000c, 0, 2, uint32(n), uint32(n * len(command)), 0, 0} {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return append(append(b, bytes.Repeat(command, n)...), data...)
}

// words returns 32-bit words.
func words(list ...uint32) (b []byte) {
	for _, w := range list {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

// relocations returns a PE file whose sections each have the most relocations that
// a section can have.
func relocations(machine uint16) []byte {
	const sections = 60000
	b := make([]byte, 0x40)
	copy(b, "MZ")
	b[0x3c] = 0x40
	b = append(b, "PE\x00\x00"...)
	header := make([]byte, 20+240)
	binary.LittleEndian.PutUint16(header, machine)
	binary.LittleEndian.PutUint16(header[2:], sections)
	binary.LittleEndian.PutUint16(header[16:], 240)
	binary.LittleEndian.PutUint16(header[20:], 0x20b)
	binary.LittleEndian.PutUint32(header[20+108:], 16) // directories
	b = append(b, header...)
	section := make([]byte, 40)
	binary.LittleEndian.PutUint32(section[24:], 0x1000) // relocations
	binary.LittleEndian.PutUint16(section[32:], 65535)
	b = append(b, bytes.Repeat(section, sections)...)
	return append(b, make([]byte, largeFile-len(b))...)
}

// dependencies returns build information of many modules.
func dependencies() []byte {
	info := append([]byte("\xff Go buildinf:\x08\x02"), make([]byte, 16)...)
	text := "path\tx\nmod\tx\tv1\n" + strings.Repeat("dep\ta\tv1\n", largeFile/10)
	info = append(binary.AppendUvarint(info, 6), "go1.27"...)
	text = strings.Repeat("m", 16) + text + "build\tx=y\n" + strings.Repeat("m", 16)
	return append(binary.AppendUvarint(info, uint64(len(text))), text...)
}

// TestCost surveys files that claim too much. Whatever is in a file of 64 MB, it
// takes less than 5 s and 300 MB, and no file makes it panic. With -keep the files
// are left in a folder.
func TestCost(t *testing.T) {
	seeds := objtest.Seeds(t)
	clone := func(name string, set map[string]uint64) []byte {
		m := seeds[name].Clone()
		for field, value := range set {
			m.Set(t, field, value)
		}
		return m.Data
	}
	made := func(m objtest.Made) func() []byte {
		m.Name, m.File = "main.f"+m.Name, "f.go"+m.File
		return func() []byte { return m.Bytes() }
	}
	large := func(w ...uint32) []byte { return append(words(addSP), repeat(largeFile, w...)...) }
	const million = 4 << 20 // bytes
	for _, c := range []struct {
		name  string
		kinds string // that the error may have; "" is none
		file  func() []byte
	}{
		{"a relocation at the last address", "other", func() []byte {
			data := make([]byte, 256)
			for i, word := range []uint64{7, 64, 8, 48, 0, 0, 0, 0, 0x80, 1027, 0, ^uint64(7), 1027, 0} { // DT_RELA, DT_RELASZ
				binary.LittleEndian.PutUint64(data[8*i:], word)
			}
			file := objtest.MakeELF(objtest.Load{Addr: 0, Flags: 6, Data: data}, objtest.Load{Addr: 0, Flags: 4, Data: data[:48]})
			file[64+56] = 2 // PT_DYNAMIC
			return file
		}},
		{"four segments over the same false headers", "exceeded", func() []byte {
			return loads(t, seeds["elf"], falseHeaders(largeFile), 4)
		}},
		{"false headers before the table", "", func() []byte { return loads(t, seeds["elf"], falseHeaders(largeFile), 1) }},
		{"false headers and no table", "broken", func() []byte {
			return objtest.MakeELF(objtest.Load{Addr: 0x10000, Flags: 6, Data: falseHeaders(largeFile)})
		}},
		{"many module data", "exceeded", func() []byte {
			return objtest.Made{Code: repeat(1<<20, nop), Function: 4, Name: "f", PCSP: constant(1), Modules: largeFile / 352}.Bytes()
		}},
		{"relocations over the whole file", "", func() []byte {
			m := seeds["pie"].Clone()
			entry := make([]byte, 24)
			binary.LittleEndian.PutUint64(entry, 0x7000_0000_0000)
			binary.LittleEndian.PutUint64(entry[8:], 1027)
			m.Set(t, "dyn.rela", 0x7000_0000_0000)
			m.Set(t, "dyn.relasz", largeFile/24*24)
			return loads(t, m, bytes.Repeat(entry, largeFile/24), 1)
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
			return commands(largeFile/72, command, falseHeaders(1<<20))
		}},
		{"line tables that many functions share", "broken exceeded", made(objtest.Made{
			Code: repeat(1<<20, nop), Function: 8, PCSP: bytes.Repeat([]byte{2, 0}, largeFile/4), Lines: bytes.Repeat([]byte{2, 0}, largeFile/4),
		})},
		{"65,535 segments in one program header", "broken", func() []byte {
			first := seeds["elf"].Fields["ph[2].type"].At
			return clone("elf", map[string]uint64{"elf.phentsize": 0, "elf.phnum": 65535, "elf.phoff": uint64(first)})
		}},
		{"a line for each of 60,000 windows", "exceeded", made(objtest.Made{
			Code: append(words(addSP), repeat(240_000, nop)...), Function: 240_004, PCSP: constant(60_001), Lines: values(60_001), Files: constant(60_001),
		})},
		{"a function of millions of windows", "exceeded", made(objtest.Made{
			Code: large(nop), Function: largeFile + 4, PCSP: constant(largeFile/4 + 1),
		})},
		{"a million windows with long names", "exceeded", made(objtest.Made{
			Code: repeat(2*million, addSP, nop), Function: 8, PCSP: constant(2), Lines: values(2), Files: constant(2),
			Name: strings.Repeat("n", 60_000), File: strings.Repeat("f", 60_000),
		})},
		{"a million functions with long names", "exceeded", made(objtest.Made{
			Code: repeat(3*million, addSP, 0x14000001, 0xd65f03c0), Function: 12, PCSP: []byte{2, 1, 16, 1, 16, 1}, Name: strings.Repeat("n", 60_000),
		})},
		{"2 MB of CBZ", "exceeded", made(objtest.Made{
			Code: append(words(addSP), repeat(2<<20, cbz)...), Function: 2<<20 + 4, PCSP: constant(2<<18 + 1),
		})},
		{"60 MB of CBZ", "exceeded", made(objtest.Made{Code: large(cbz), Function: largeFile + 4, PCSP: constant(largeFile/4 + 1)})},
		{"60 MB of CBZ that changes the stack pointer", "exceeded", made(objtest.Made{
			Code: large(cbz, addSP), Function: largeFile + 4, PCSP: constant(largeFile/4 + 1),
		})},
		{"many branches past many definitions", "exceeded", made(objtest.Made{
			Code: repeat(largeFile, addR3, strFP, cbz), Function: 3 << 20, PCSP: constant(3 << 18),
		})},
		{"many symbol tables", "other", func() []byte {
			return commands(100_000, words(2, 24, 32, 3_000_000, 0, largeFile), make([]byte, largeFile))
		}},
		{"PE relocations", "other", func() []byte { return relocations(0xaa64) }},
		{"PE relocations, for amd64", "other", func() []byte { return relocations(0x8664) }},
		{"modules without end", "", made(objtest.Made{
			Code: repeat(1<<10, nop), Function: 1 << 10, PCSP: constant(1 << 8), Info: dependencies(),
		})},
		{"a table of functions alone", "", made(objtest.Made{Code: repeat(20<<20, nop), Function: 4, PCSP: constant(1)})},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "hostile")
			if *keep != "" {
				path = filepath.Join(*keep, strings.ReplaceAll(c.name, " ", "-"))
			}
			data := c.file()
			require.NoError(t, os.WriteFile(path, data, 0o600))
			got := measure(t, path)
			t.Logf("| %s | %.1f MB | %.2f s, %d MB | %s%s |", c.name, float64(len(data))/1e6, got.Seconds, got.Memory>>20, got.Kind, strings.ReplaceAll(got.Error, path, " "))
			assert.Less(t, got.Seconds, mostTime.Seconds())
			assert.Less(t, got.Memory, int64(mostMemory))
			assert.True(t, c.kinds == got.Kind || got.Kind != "" && strings.Contains(c.kinds, got.Kind), "%s: want %q", got.Kind, c.kinds)
			if got.Kind != "" {
				assert.Contains(t, got.Error, path)
			}
		})
	}
}

// TestPipe opens a pipe that nobody writes to.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	done := make(chan error, 1)
	go func() {
		_, err := survey.File(context.Background(), path, false, budget.Default)
		done <- err
	}()
	select {
	case err := <-done:
		require.ErrorIs(t, err, survey.ErrOther)
		require.ErrorContains(t, err, path+": not an executable for arm64: not a regular file")
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for a writer")
	}
}

// TestInterrupted ends a survey of one file at once.
func TestInterrupted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hostile")
	data := objtest.Made{
		Code: repeat(largeFile, addR3, strFP, cbz), Function: 3 << 20, Name: "runtime.fpTracebackPCs", PCSP: constant(3 << 18),
	}.Bytes()
	require.NoError(t, os.WriteFile(path, data, 0o600))
	limits := budget.Default
	limits.Work.PerMB <<= 12
	limits.Memory.PerMB <<= 12
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(200*time.Millisecond, cancel)
	begin := time.Now()
	_, err := survey.File(ctx, path, false, limits)
	took := time.Since(begin)
	require.ErrorIs(t, err, context.Canceled, fmt.Sprint(err))
	assert.Less(t, took, 2*time.Second)
	assert.ErrorContains(t, err, path)
	_, err = survey.File(ctx, labtest.Guest(t, "local"), false, budget.Default)
	require.ErrorIs(t, err, context.Canceled)
}
