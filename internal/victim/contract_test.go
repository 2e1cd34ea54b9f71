package victim

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestContract calls the functions of Contract on this machine, and shows that each clause
// has at least one.
func TestContract(t *testing.T) {
	seen, clauses := map[string]bool{}, map[int]int{}
	for _, c := range append(Cases(), Contract()...) {
		assert.False(t, seen[c.Func], "%s is there twice", c.Func)
		seen[c.Func] = true
	}
	for _, c := range Contract() {
		found, ok := Find(c.Func)
		require.True(t, ok, c.Func)
		assert.Equal(t, c.Clauses, found.Clauses)
		for _, clause := range c.Clauses {
			clauses[clause]++
		}
		if c.drive != nil {
			continue
		}
		for _, x := range []uint64{0, 1, 0xe8, garbage, 1<<64 - 1} {
			assert.Equal(t, c.want(x), c.call(x, false), "%s(%#x)", c.Func, x)
			assert.Equal(t, c.want(x), c.call(x, true), "%s(%#x), cold", c.Func, x)
		}
	}
	for clause := 3; clause <= 7; clause++ {
		assert.NotZero(t, clauses[clause], "clause %d", clause)
	}
}

// TestContractRuns runs each function of Contract as a guest does, under the observer gc.
func TestContractRuns(t *testing.T) {
	for _, c := range Contract() {
		var out bytes.Buffer
		config := Config{Victim: c.Func, Observer: "gc", Victims: 2, Procs: 3, Observe: 3}
		require.Zero(t, Main(config.Args(), new(Goroutines), &out), "%s: %s", c.Func, &out)
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		assert.Contains(t, lines[len(lines)-1], LineMark+"end 3 calls ")
	}
}

func TestParsePin(t *testing.T) {
	p, err := parsePin(Pin(0x9a3f8, 0x8b020000))
	require.NoError(t, err)
	assert.Equal(t, pin{0x9a3f8, 0x8b020000}, p)
	p, err = parsePin("")
	require.NoError(t, err)
	assert.Zero(t, p)
	for _, text := range []string{"0:1", "9a3f8", "9a3f9:8b020000", "9a3f8:8b020000x", "9a3f8:18b020000", "x:1", ":"} {
		_, err := parsePin(text)
		assert.Error(t, err, text)
		assert.Equal(t, ExitUsage, Main([]string{"-victim=copy64", "-pin=" + text}, new(Goroutines), new(bytes.Buffer)), text)
	}
}
