// Package objtest gives tests small real executables, and the position of every field
// in them that holds a count, a length or an address. Tests overwrite these fields, as
// hostile files do.
package objtest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"splitadd/internal/lab/labtest"
)

// A Field is a number of 1, 2, 4 or 8 bytes, little-endian.
type Field struct{ At, Size int }

// An Image is an executable in memory, and its fields by name.
type Image struct {
	Data   []byte
	Fields map[string]Field
	names  []string // sorted
}

// New finds the fields of an executable, or of a core file. It trusts the file, and
// fails the test if the file makes no sense.
func New(tb testing.TB, data []byte) *Image {
	tb.Helper()
	m := &Image{Data: data, Fields: map[string]Field{}}
	switch {
	case bytes.HasPrefix(data, []byte("\x7fELF")):
		m.elf()
	case bytes.HasPrefix(data, []byte("MZ")):
		m.pe()
	default:
		m.macho()
	}
	if !m.Has("elf.type") || m.Get(tb, "elf.type") != uint64(elf.ET_CORE) {
		m.table(tb)
	}
	m.names = slices.Sorted(maps.Keys(m.Fields))
	return m
}

// addField notes a field.
func (m *Image) addField(at, size int, name string, args ...any) {
	if at >= 0 && at+size <= len(m.Data) {
		m.Fields[fmt.Sprintf(name, args...)] = Field{at, size}
	}
}

// addFields notes fields that follow one another.
func (m *Image) addFields(at int, prefix string, list ...any) (end int) {
	for i := 0; i < len(list); i += 2 {
		name, size := list[i].(string), list[i+1].(int)
		if name != "" {
			m.addField(at, size, "%s.%s", prefix, name)
		}
		at += size
	}
	return at
}

// get and put read and write a number of a file.
func get(data []byte, f Field) uint64 {
	var word [8]byte
	copy(word[:], data[f.At:f.At+f.Size])
	return binary.LittleEndian.Uint64(word[:])
}

func put(data []byte, f Field, value uint64) {
	copy(data[f.At:f.At+f.Size], binary.LittleEndian.AppendUint64(nil, value))
}

// Has reports whether there is a field of a name.
func (m *Image) Has(name string) bool { return m.Fields[name].Size > 0 }

// Get returns the value of a field.
func (m *Image) Get(tb testing.TB, name string) uint64 {
	tb.Helper()
	require.Contains(tb, m.Fields, name)
	return get(m.Data, m.Fields[name])
}

// Set changes a field.
func (m *Image) Set(tb testing.TB, name string, value uint64) {
	tb.Helper()
	require.Contains(tb, m.Fields, name)
	put(m.Data, m.Fields[name], value)
}

// Clone returns a copy whose bytes can be changed.
func (m *Image) Clone() *Image {
	return &Image{bytes.Clone(m.Data), m.Fields, m.names}
}

// Layout of an edit: which field, how to change it, and a number.
const (
	editSize = 11
	maxEdits = 16
)

// ApplyEdits returns a copy with a list of edits applied, which may come from a fuzzer. Each
// edit sets a field to a number, adds a number to it, or sets it to another field plus
// a small number. So only the claims of the headers change. Changed are the names of
// the changed fields.
func (m *Image) ApplyEdits(edits []byte) (data []byte, changed []string) {
	data = bytes.Clone(m.Data)
	for ; len(edits) >= editSize && len(changed) < maxEdits; edits = edits[editSize:] {
		name := m.names[int(binary.LittleEndian.Uint16(edits))%len(m.names)]
		how, value := edits[2], binary.LittleEndian.Uint64(edits[3:])
		f := m.Fields[name]
		switch how % 4 {
		case 1:
			value += get(data, f)
		case 2:
			other := m.Fields[m.names[int(value&0xffff)%len(m.names)]]
			value = get(data, other) + uint64(int64(value)>>56)
		case 3:
			value = get(data, f) + uint64(int64(value)>>60)
		}
		put(data, f, value)
		changed = append(changed, name)
	}
	return data, changed
}

// Edit returns an edit for ApplyEdits that sets a field.
func (m *Image) Edit(name string, value uint64) []byte {
	at := slices.Index(m.names, name)
	edit := binary.LittleEndian.AppendUint16(nil, uint16(at))
	return binary.LittleEndian.AppendUint64(append(edit, 0), value)
}

// Seeds returns small binaries: of each format, position-independent and not, and of
// each layout of the function table.
func Seeds(tb testing.TB) map[string]*Image {
	tb.Helper()
	dir, err := os.Getwd()
	require.NoError(tb, err)
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		require.NotEqual(tb, filepath.Dir(dir), dir, "not in the module")
	}
	const guest, strip = "./internal/victim/guest", "-ldflags=-s -w"
	seeds := map[string]string{
		"elf":    labtest.Build(tb, dir, guest, nil, strip),
		"pie":    labtest.Build(tb, dir, guest, nil, strip, "-buildmode=pie"),
		"macho":  labtest.Build(tb, dir, guest, []string{"GOOS=darwin"}, strip),
		"pe":     labtest.Build(tb, dir, guest, []string{"GOOS=windows"}, strip),
		"go1.23": labtest.Guest(tb, "go1.23.4"),
	}
	for name, release := range map[string]string{"go1.16": "go1.16.15", "go1.18": "go1.18.10", "go1.20": "go1.20.14"} {
		seeds[name] = seeds["go1.23"]
		if !labtest.LeftOut(tb, release) {
			seeds[name] = labtest.Guest(tb, release)
		}
	}
	images := map[string]*Image{}
	for name, path := range seeds {
		data, err := os.ReadFile(path)
		require.NoError(tb, err)
		images[name] = New(tb, data)
	}
	images["chained"] = New(tb, WithChainedFixups(tb, images["macho"].Data))
	return images
}
