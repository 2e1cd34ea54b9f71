package objtest

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"
)

// Names are the names of the seeds, in an order for fuzz targets to choose by number.
var Names = []string{"elf", "macho", "pe", "pie", "chained", "go1.16", "go1.18", "go1.20", "go1.23"}

// AddSeedEdits adds edits for fuzz targets to begin with. For each seed they set fields of
// each part of a file to values that adds out of range or much too large.
func AddSeedEdits(tb testing.TB, seeds map[string]*Image, add func(which uint8, edits []byte)) {
	tb.Helper()
	for which, name := range Names {
		m := seeds[name]
		add(uint8(which), nil)
		for _, field := range []string{
			"elf.phnum", "ph[0].filesz", "dyn.relasz", "rela[0].offset", "macho.ncmds", "cmd[1].filesize", "fixups.segments", "pe.sections", "section[0].vaddr",
			"tab.nfunc", "tab.pcs", "module[0]", "func[1].pcsp", "func[1].unsafe", "func[1].npcdata", "func[1].pcsp[0]", "func[1].code[-3]",
		} {
			if m.Has(field) {
				add(uint8(which), m.Edit(field, 0xffff))
				add(uint8(which), append(m.Edit(field, 1<<62), m.Edit("tab.nfunc", 4)...))
			}
		}
	}
}

// ApplyOverwrite returns a seed with eight bytes overwritten at an offset, and edits
// applied to the result.
func (m *Image) ApplyOverwrite(at int, word uint64, edits []byte) []byte {
	data, _ := m.ApplyEdits(edits)
	binary.LittleEndian.PutUint64(data[at%(len(data)-8):], word)
	return data
}

// Bounds on the cost of one input of a fuzz target. Instrumented code is several times
// slower than released code.
const (
	mostCPU   = 10 * time.Second
	mostAlloc = 1 << 30 // bytes allocated, freed or not
)

// RunBounded calls f, and fails the test if f takes more processor time or memory than the
// bounds allow.
func RunBounded(tb testing.TB, f func()) {
	tb.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := processorTime()
	f()
	if took := processorTime() - begin; took > mostCPU {
		tb.Errorf("took %v of processor time", took)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > mostAlloc {
		tb.Errorf("allocated %d bytes", n)
	}
}
