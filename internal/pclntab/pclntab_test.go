package pclntab_test

import (
	"debug/elf"
	"debug/gosym"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/labtest"
	"splitadd/internal/objfile"
	"splitadd/internal/objfile/objtest"
	"splitadd/internal/pclntab"
)

// releases are one release of each layout, which Go 1.16, 1.18 and 1.20 introduced, and the
// Go that runs this test.
var releases = []string{"go1.16.15", "go1.18.10", "go1.20.14", "local"}

// TestAgainstGosym compares names, entries and lines with what debug/gosym
// reads from the same file.
func TestAgainstGosym(t *testing.T) {
	for _, release := range releases {
		if labtest.LeftOut(t, release) {
			continue
		}
		t.Run(release, func(t *testing.T) {
			f := labtest.Open(t, release)
			table, err := pclntab.Open(f)
			require.NoError(t, err)
			file, err := elf.Open(f.Path)
			require.NoError(t, err)
			defer file.Close()
			data, err := file.Section(".gopclntab").Data()
			require.NoError(t, err)
			want, err := gosym.NewTable(nil, gosym.NewLineTable(data, file.Section(".text").Addr))
			require.NoError(t, err)
			require.Len(t, want.Funcs, table.Len())
			named, ok := table.LookupFunc("runtime.asyncPreempt")
			require.True(t, ok)
			require.Equal(t, want.LookupFunc("runtime.asyncPreempt").Entry, named.Entry)
			_, ok = table.LookupFunc("runtime.asyncPreem")
			require.False(t, ok)
			for i, w := range want.Funcs {
				fn, err := table.Func(i)
				require.NoError(t, err)
				require.Equal(t, w.Name, fn.Name())
				require.Equal(t, w.Entry, fn.Entry, w.Name)
				require.Equal(t, w.End, fn.End, w.Name)
				lines := fn.Lines()
				for pc := fn.Entry; pc < fn.End; pc += 16 {
					file, line, _ := want.PCToLine(pc)
					gotFile, gotLine := lines.At(pc)
					if line > 0 { // gosym answers 0 or -1 if there is no line
						require.Equal(t, file, gotFile, "%s %#x", w.Name, pc)
						require.Equal(t, line, gotLine, "%s %#x", w.Name, pc)
					}
				}
			}
		})
	}
}

// TestSafePoints checks the runtime's rule on functions whose answer is known from their
// names.
func TestSafePoints(t *testing.T) {
	for _, release := range releases {
		if labtest.LeftOut(t, release) {
			continue
		}
		t.Run(release, func(t *testing.T) {
			table, err := pclntab.Open(labtest.Open(t, release))
			require.NoError(t, err)
			safe := map[string]int{}
			reasons := map[string]string{}
			inlined := 0 // instructions of the runtime that were inlined into other code
			for i := range table.Len() {
				fn, err := table.Func(i)
				require.NoError(t, err)
				_, err = fn.PCSP()
				require.NoError(t, err)
				points, err := fn.SafePoints()
				require.NoError(t, err)
				for pc := fn.Entry; pc < fn.End; pc += 4 {
					resume, reason := points.At(pc)
					if reason == "" {
						safe[fn.Name()]++
						require.LessOrEqual(t, resume, pc)
						require.GreaterOrEqual(t, resume, fn.Entry)
					} else {
						reasons[fn.Name()] = reason
						if code, ok := strings.CutPrefix(reason, "code of "); ok && !strings.HasPrefix(fn.Name(), code) {
							inlined++
						}
					}
				}
			}
			assert.Positive(t, safe["splitadd/internal/victim.leaf65552"])
			assert.Positive(t, safe["splitadd/internal/victim.Run"])
			assert.Zero(t, safe["runtime.gcStart"])
			assert.Equal(t, "code of runtime", reasons["runtime.gcStart"])
			assert.Zero(t, safe["runtime.asyncPreempt"])
			assert.Equal(t, "assembly", reasons["runtime.memmove"])
			assert.Equal(t, "unsafe point", reasons["main.main"], "its prologue")
			assert.Positive(t, inlined, "instructions inlined from the runtime")
			restartable := slices.ContainsFunc(slices.Collect(maps.Values(reasons)), func(s string) bool { return strings.HasPrefix(s, "restartable") })
			assert.Equal(t, release == "go1.16.15", restartable)
		})
	}
}

func TestPCValuesAt(t *testing.T) {
	values := pclntab.PCValues{{End: 0x108, Value: 0}, {End: 0x120, Value: 64}}
	for _, c := range []struct {
		pc    uint64
		value int32
		from  uint64
	}{{0x100, 0, 0x100}, {0x104, 0, 0x100}, {0x108, 64, 0x108}, {0x11c, 64, 0x108}, {0x120, -1, 0}, {0xfc, -1, 0}} {
		value, from := values.At(0x100, c.pc)
		assert.Equal(t, c.value, value, "%#x", c.pc)
		assert.Equal(t, c.from, from, "%#x", c.pc)
	}
}

func TestNoTable(t *testing.T) {
	_, err := pclntab.Open(&objfile.File{Path: "empty"})
	require.ErrorIs(t, err, pclntab.ErrNoTable)
	require.EqualError(t, err, "empty: no Go function table: no header in any segment")
}

// readAll reads everything in a table about the victims, and about every n-th function, where
// n is every.
func readAll(f *objfile.File, every int) {
	table, err := pclntab.Open(f)
	if err != nil {
		return
	}
	for i := range table.Len() {
		fn, err := table.Func(i)
		if err != nil {
			continue
		}
		if name := fn.Name(); i%every != 0 && !strings.Contains(name, "victim.") {
			continue
		}
		lines := fn.Lines()
		lines.At(fn.Entry)
		_, _ = fn.PCSP()
		if points, err := fn.SafePoints(); err == nil {
			points.At(fn.Entry)
		}
	}
}

// TestBitFlips flips bits of a real table. Reading it must not panic, hang or use
// unbounded memory.
func TestBitFlips(t *testing.T) {
	image, table := guestData(t)
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		changed := append([]byte(nil), image...)
		for range 1 + random.IntN(8) {
			off := table + random.IntN(1<<random.IntN(19)) // mostly near the header
			changed[min(off, len(changed)-1)] ^= 1 << random.IntN(8)
		}
		if f, err := objfile.Parse("flipped", changed); err == nil {
			readAll(f, 1)
		}
	}
}

// FuzzTable overwrites a word of a real binary, counted from the table's header,
// and changes fields of its headers and tables.
func FuzzTable(f *testing.F) {
	seeds := objtest.Seeds(f)
	f.Add(uint32(8), uint64(1<<40), uint8(0), []byte(nil))  // functions
	f.Add(uint32(64), uint64(1<<63), uint8(0), []byte(nil)) // start of the records
	f.Add(uint32(0), uint64(0x08040000fffffffa), uint8(0), []byte(nil))
	objtest.AddSeedEdits(f, seeds, func(which uint8, edits []byte) { f.Add(uint32(4), uint64(0x0804000000000000), which, edits) })
	f.Fuzz(func(t *testing.T, at uint32, word uint64, which uint8, edits []byte) {
		m := seeds[objtest.Names[int(which)%len(objtest.Names)]]
		table := m.Fields["tab.magic"].At
		offset := table + int(at)%(len(m.Data)-table-8)
		if at == 4 { // the header's constants: its edits alone
			word = binary.LittleEndian.Uint64(m.Data[offset:])
		}
		changed := m.ApplyOverwrite(offset, word, edits)
		objtest.RunBounded(t, func() {
			file, err := objfile.Parse("fuzzed", changed)
			if err == nil {
				err = file.Guard(func() error { readAll(file, 16); return nil })
			}
			require.NotErrorIs(t, err, objfile.ErrPanic)
			if err == nil {
				require.LessOrEqual(t, file.Budget.Usage().LargestShare(), 1.0)
			}
		})
	})
}

// guestData returns the contents of a guest, and the offset of its function table.
func guestData(tb testing.TB) (data []byte, table int) {
	path := labtest.Guest(tb, "local")
	data, err := os.ReadFile(path)
	require.NoError(tb, err)
	file, err := elf.Open(path)
	require.NoError(tb, err)
	defer file.Close()
	return data, int(file.Section(".gopclntab").Offset)
}
