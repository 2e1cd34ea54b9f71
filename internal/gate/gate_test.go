package gate

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/survey"
	"splitadd/internal/window"
)

// win returns a window in which the runtime preempts, in a leaf.
func win(class window.Class, possible bool) survey.Window {
	return survey.Window{Window: window.Window{Class: class, Leaf: true, Preemptible: true, Possible: possible}}
}

// sample returns a binary with windows of three kinds. One of them is possible, and one is
// not preempted.
func sample() *survey.Binary {
	idle := win(window.FP, false)
	idle.Preemptible = false
	return &survey.Binary{Package: "example.com/app/cmd/app", Functions: []survey.Function{
		{Name: "main.leaf", Windows: []survey.Window{win(window.SP, false), win(window.FP, false)}},
		{Name: "example.com/lib.Get", Windows: []survey.Window{win(window.Pointer, true), win(window.Pointer, true)}},
		{Name: "example.com/lib.idle", Windows: []survey.Window{idle}},
	}}
}

func TestFailOn(t *testing.T) {
	for _, c := range []struct {
		failOn FailOn
		kinds  string
		fails  bool
		passed int
	}{
		{Possible, "", true, 0},
		{Certain, "", true, 0},
		{Never, "", false, 4},
		{Possible, "lost pointer", true, 0},
		{Certain, "lost pointer", false, 2},
		{Never, "lost pointer", false, 2},
		{Possible, "barrier", false, 0},
	} {
		kinds, err := ParseKinds(c.kinds)
		require.NoError(t, err)
		g := Gate{Kinds: kinds, FailOn: c.failOn}
		g.Apply(sample())
		assert.Equal(t, c.fails, g.Fails(), "%v", c)
		assert.Equal(t, c.passed, g.Passed(), "%v", c)
	}
}

// TestKinds selects kinds, and does not change what several images may share.
func TestKinds(t *testing.T) {
	kinds, err := ParseKinds("lost pointer, leaf SP")
	require.NoError(t, err)
	assert.Equal(t, []string{"leaf SP", "lost pointer"}, kinds, "in the order of the table")
	shared := sample()
	b := *shared
	g := Gate{Kinds: kinds}
	g.Apply(&b)
	require.Len(t, b.Functions, 2)
	assert.Equal(t, []survey.Window{win(window.SP, false)}, b.Functions[0].Windows)
	assert.Equal(t, []string{"leaf SP", "lost pointer"}, b.Kinds())
	assert.Equal(t, sample(), shared)

	kinds, err = ParseKinds("")
	require.NoError(t, err)
	assert.Nil(t, kinds)
	for _, bad := range []string{"leaf", "leaf SP,", ",", "leaf SP,Barrier"} {
		_, err := ParseKinds(bad)
		assert.ErrorContains(t, err, "want one of leaf SP, leaf FP", bad)
	}
}

func TestParseFailOn(t *testing.T) {
	for _, name := range []string{"certain", "possible", "never"} {
		got, err := ParseFailOn(name)
		require.NoError(t, err)
		assert.EqualValues(t, name, got)
	}
	_, err := ParseFailOn("always")
	assert.EqualError(t, err, `-fail-on "always": want certain, possible or never`)
}
