package objtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"splitadd/internal/objfile"
	"splitadd/internal/pclntab"
)

// table notes the fields of the function table, of the module data that points to
// it, and of the victims: their records, the beginnings of their tables, and the
// last words of their code.
func (m *Image) table(tb testing.TB) {
	f, err := objfile.Parse("seed", bytes.Clone(m.Data))
	require.NoError(tb, err)
	table, err := pclntab.Open(f)
	require.NoError(tb, err)
	addr, module := header(f)
	at, err := f.Offset(addr, 8)
	require.NoError(tb, err)
	words := []any{"magic", 4, "", 4, "nfunc", 8, "nfiles", 8, "text", 8, "names", 8, "cus", 8, "files", 8, "pcs", 8, "funcs", 8}
	old := binary.LittleEndian.Uint32(m.Data[at:]) == 0xfffffffa
	if old {
		words = append(words[:8:8], words[10:]...)
	}
	m.addFields(int(at), "tab", words...)
	for i := range 44 {
		if offset, err := f.Offset(module+uint64(8*i), 8); err == nil {
			m.addField(int(offset), 8, "module[%d]", i)
		}
	}
	entry := 4
	if old {
		entry = 8
	}
	word := func(name string) int { return int(get(m.Data, m.Fields["tab."+name])) }
	functab := int(at) + word("funcs")
	m.addField(functab, entry, "first.entry")
	m.addField(functab+entry, entry, "first.record")
	m.addField(functab+2*entry*word("nfunc"), entry, "end")
	victims := 0
	for i := 0; i < table.Len() && victims < 8; i++ {
		fn, err := table.Func(i)
		require.NoError(tb, err)
		if !strings.Contains(fn.Name(), "victim.leaf6") && !strings.Contains(fn.Name(), "victim.nonleaf6") && i != table.Len()/2 {
			continue
		}
		victims++
		name, place := fmt.Sprintf("func[%d]", victims), functab+2*entry*i
		m.addField(place, entry, "%s.entry", name)
		m.addField(place+entry, entry, "%s.record", name)
		record := functab + int(get(m.Data, Field{place + entry, entry}))
		rest := m.addFields(record+entry, name, "name", 4, "args", 4, "deferreturn", 4, "pcsp", 4, "pcfile", 4, "pcln", 4, "npcdata", 4)
		m.addField(rest+8, 4, "%s.tail", name)
		m.addFields(rest+12, name, "unsafe", 4, "pcdata1", 4, "inline", 4)
		for _, kind := range []string{"pcsp", "unsafe", "pcln", "inline"} {
			values := int(at) + word("pcs") + int(get(m.Data, m.Fields[name+"."+kind]))
			for k := range 8 {
				m.addField(values+k, 1, "%s.%s[%d]", name, kind, k)
			}
		}
		for k := 1; k <= 24; k++ {
			if offset, err := f.Offset(fn.End-uint64(4*k), 4); err == nil && fn.End-uint64(4*k) >= fn.Entry {
				m.addField(int(offset), 4, "%s.code[-%d]", name, k)
			}
		}
	}
}

// header returns the addresses of the function table's header and of the module
// data that begins with it.
func header(f *objfile.File) (table, module uint64) {
	tail := []byte{0xff, 0xff, 0xff, 0, 0, 4, 8}
	for _, s := range f.Segments {
		for at := 0; ; at++ {
			i := bytes.Index(s.Data[at:], tail)
			if i < 0 {
				break
			}
			at += i
			addr := s.Addr + uint64(at) - 1
			pointer := binary.LittleEndian.AppendUint64(nil, addr)
			for _, w := range f.Segments {
				if i := bytes.Index(w.Data, pointer); w.Write && i >= 0 {
					return addr, w.Addr + uint64(i)
				}
			}
		}
	}
	return 0, 0
}
