package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/openvex/go-vex/pkg/vex"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/survey"
	"splitadd/internal/window"
)

// holding returns a binary with windows of some classes in a leaf.
func holding(main string, windows ...window.Window) *survey.Binary {
	f := survey.Function{Name: "main.leaf"}
	for _, w := range windows {
		w.Leaf = true
		f.Windows = append(f.Windows, survey.Window{Window: w})
	}
	return &survey.Binary{Path: "bin/app", Main: main, Package: "example.com/m/cmd/app", Functions: []survey.Function{f}}
}

// TestVEX makes statements about binaries, and reads them with the library's own rules.
func TestVEX(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	sp := window.Window{Class: window.SP, Preemptible: true}
	idle := window.Window{Class: window.FP}
	maybe := window.Window{Class: window.Pointer, Preemptible: true, Possible: true}
	dirty := holding("example.com/m@v1.3.0+dirty")
	dirty.SHA256 = strings.Repeat("ab", 32)
	tangled := holding("example.com/m@v1.4.0")
	tangled.Unchecked = []string{"main.f"}
	hostile := holding("example.com/m@v1" + strings.Repeat("x", maxIdentity))
	hostile.Path = "hostile"
	var out bytes.Buffer
	unnamed, err := VEX(&out, "v1", nil, []*survey.Binary{
		holding("example.com/m@v1.2.0", sp, idle, maybe), holding("example.com/m@v1.2.0"), // two files of one command
		dirty, tangled, holding("example.com/m", sp), hostile,
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"bin/app", "hostile"}, unnamed)
	doc, err := vex.Parse(out.Bytes())
	require.NoError(t, err)
	assert.Equal(t, "splitadd v1", doc.Tooling)
	const (
		first = "pkg:golang/example.com/m@v1.2.0#cmd/app"
		third = "pkg:golang/example.com/m@v1.4.0#cmd/app"
	)
	second := "pkg:golang/example.com/m@v1.3.0%2Bdirty?checksum=sha256%3A" + dirty.SHA256 + "#cmd/app"
	got := map[string]map[string]vex.Status{}
	for _, s := range doc.Statements {
		require.NoError(t, s.Validate())
		name := string(s.Vulnerability.Name)
		if got[name] == nil {
			got[name] = map[string]vex.Status{}
		}
		for _, p := range s.Products {
			got[name][p.ID] = s.Status
		}
	}
	require.Len(t, got, len(window.Kinds))
	assert.Equal(t, map[string]vex.Status{first: vex.StatusAffected, second: vex.StatusNotAffected, third: vex.StatusUnderInvestigation}, got["splitadd:leaf-sp"])
	assert.Equal(t, vex.StatusNotAffected, got["splitadd:leaf-fp"][first], "the runtime does not preempt there")
	assert.Equal(t, vex.StatusUnderInvestigation, got["splitadd:lost-pointer"][first])
	assert.Contains(t, out.String(), `"golang/go#80188"`)
	assert.Less(t, out.Len(), 100_000)

	_, err = VEX(&out, "v1", []string{"barrier"}, nil)
	assert.EqualError(t, err, "no VEX document: no binary that a statement could be about")
}
