package gate

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/window"
)

func read(t *testing.T, text string) *Baseline {
	b, err := ReadBaseline(strings.NewReader(text))
	require.NoError(t, err)
	return b
}

// TestBaseline writes what a scan found, and reads it back. It accepts the same binary, and
// a command of another name only in the functions that are not in package main.
func TestBaseline(t *testing.T) {
	g := Gate{FailOn: Possible, Found: NewBaseline()}
	g.Apply(sample())
	var out bytes.Buffer
	require.NoError(t, g.Renewed(NewBaseline()).Write(&out))

	g = Gate{FailOn: Possible, Baseline: read(t, out.String())}
	same := sample()
	g.Apply(same)
	assert.False(t, g.Fails())
	assert.Equal(t, 4, same.Accepted)
	require.Len(t, same.Functions, 1, "a window that is not preempted needs no entry")
	assert.Equal(t, "example.com/lib.idle", same.Functions[0].Name)
	assert.Empty(t, g.Stale())

	g = Gate{FailOn: Possible, Baseline: read(t, out.String())}
	other := sample()
	other.Package = "example.com/other"
	g.Apply(other)
	assert.True(t, g.Fails())
	assert.Equal(t, 2, other.Accepted)
	assert.Equal(t, []Entry{
		{Function: "main.leaf", Kind: "leaf FP", Package: "example.com/app/cmd/app"},
		{Function: "main.leaf", Kind: "leaf SP", Package: "example.com/app/cmd/app"},
	}, g.Stale())
}

// TestPossible has an entry for possible windows meet a certain one.
func TestPossible(t *testing.T) {
	const entry = `{"version":1,"accepted":[{"function":"example.com/lib.Get","kind":"lost pointer","possible":true}]}`
	g := Gate{FailOn: Certain, Baseline: read(t, entry)}
	b := sample()
	b.Functions[1].Windows[1] = win(window.Pointer, false)
	b.Functions = b.Functions[1:2]
	g.Apply(b)
	assert.True(t, g.Fails())
	assert.Equal(t, 1, b.Accepted)
	assert.Empty(t, g.Stale(), "it was found, and is worse")

	twice := read(t, strings.Replace(entry, `[{`, `[{"function":"example.com/lib.Get","kind":"lost pointer"},{`, 1))
	assert.Equal(t, 1, twice.Len())
	assert.True(t, twice.accepts(Entry{Function: "example.com/lib.Get", Kind: "lost pointer"}))
}

// TestNames writes a function's name that is not valid UTF-8, and accepts it.
func TestNames(t *testing.T) {
	b := sample()
	b.Functions[0].Name = "main.\xff\xfe<a>"
	g := Gate{Found: NewBaseline()}
	g.Apply(b)
	var out bytes.Buffer
	require.NoError(t, g.Renewed(NewBaseline()).Write(&out))
	assert.Contains(t, out.String(), "<a>")
	b = sample()
	b.Functions[0].Name = "main.\xff\xfe<a>"
	g = Gate{FailOn: Possible, Baseline: read(t, out.String())}
	g.Apply(b)
	assert.False(t, g.Fails())
}

// zeros is an endless file.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte{' '}, len(p))), nil }

func TestReadBaseline(t *testing.T) {
	for text, problem := range map[string]string{
		``:                             "not a baseline: EOF",
		`[]`:                           "not a baseline: json: cannot unmarshal array",
		`{"version":1}{}`:              "not a baseline: something follows the JSON value",
		`{"version":1}}`:               "not a baseline: something follows the JSON value",
		`{"version":2,"accepted":[]}`:  "a baseline of version 2: want 1",
		`{"version":1,"acepted":[]}`:   `not a baseline: json: unknown field "acepted"`,
		`{"version":1,"accepted":[1]}`: "not a baseline: json: cannot unmarshal number",
		`{"version":1,"accepted":[{"function":"f","kind":"leaf"}]}`: `accepted[0]: function "f" and kind "leaf": want a function and a kind of window`,
		`{"version":1,"accepted":[{"kind":"leaf SP"}]}`:             `accepted[0]: function "" and kind "leaf SP": want`,
	} {
		_, err := ReadBaseline(strings.NewReader(text))
		assert.ErrorContains(t, err, problem, "%s", text)
	}
	_, err := ReadBaseline(io.MultiReader(strings.NewReader(`{"version":1,`), zeros{}))
	assert.EqualError(t, err, "not a baseline: more than 67108864 bytes")
}

// FuzzBaseline reads anything. What was read and is written reads the same.
func FuzzBaseline(f *testing.F) {
	f.Add(`{"version":1,"accepted":[{"function":"main.\xff","kind":"leaf SP","package":"p","possible":true,"reason":"r"}]}`)
	f.Add(`{"version":1}`)
	f.Fuzz(func(t *testing.T, text string) {
		b, err := ReadBaseline(strings.NewReader(text))
		if err != nil {
			return
		}
		var out bytes.Buffer
		require.NoError(t, b.Write(&out))
		again, err := ReadBaseline(&out)
		require.NoError(t, err)
		assert.Equal(t, b, again)
	})
}
