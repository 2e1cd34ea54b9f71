package objtest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"splitadd/internal/objfile/objtest"
)

// TestSeeds checks that each seed has the fields of its format, and that an edit
// changes its field and nothing else.
func TestSeeds(t *testing.T) {
	seeds := objtest.Seeds(t)
	for name, fields := range map[string][]string{
		"elf":     {"elf.phnum", "ph[0].filesz"},
		"pie":     {"dyn.rela", "dyn.relasz", "rela[0].offset"},
		"macho":   {"cmd[0].cmdsize"},
		"chained": {"fixups.starts", "fixups.segments"},
		"pe":      {"pe.machine", "section[0].vsize"},
		"go1.16":  {"first.entry"}, "go1.18": nil, "go1.20": nil, "go1.23": nil,
	} {
		m := seeds[name]
		if testing.Short() && name == "go1.16" {
			continue // a file of another release stands for it
		}
		t.Logf("%s: %d fields", name, len(m.Fields))
		for _, field := range append(fields, "tab.nfunc", "module[0]", "func[1].pcsp", "func[1].pcsp[0]", "func[1].code[-1]") {
			assert.Contains(t, m.Fields, field, name)
		}
		data, changed := m.ApplyEdits(append(m.Edit("tab.nfunc", 7), m.Edit("func[1].pcsp", 9)...))
		assert.Equal(t, []string{"tab.nfunc", "func[1].pcsp"}, changed)
		edited := m.Clone()
		edited.Set(t, "tab.nfunc", 7)
		edited.Set(t, "func[1].pcsp", 9)
		assert.Equal(t, edited.Data, data)
		assert.NotEqual(t, m.Data, data)
	}
}
