package study

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"

	"splitadd/internal/record"
	"splitadd/internal/victim"
)

// TestPlan shows that every series has an existing victim and a unique label.
func TestPlan(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range Plan("go1.27.4", [2]string{"go1.23.4", "go1.23.9"}, time.Second, time.Minute) {
		assert.Positive(t, g.Runs)
		for _, s := range g.Series {
			assert.False(t, seen[s.Label], s.Label)
			seen[s.Label] = true
			_, ok := victim.Find(s.Func)
			assert.True(t, ok, s.Func)
			assert.Contains(t, s.Label, g.Name+"/")
			assert.Positive(t, s.Limit)
		}
	}
	assert.Len(t, seen, 64)
}

// TestFit draws deaths at the rates of a known model and finds it again.
func TestFit(t *testing.T) {
	truth := Model{Latency: 400, Requests: [2]float64{60, 90}, OffCPU: [2]float64{0.03, 0.7}}
	source := rand.NewPCG(73259, 3)
	var points []Point
	for _, body := range Bodies {
		for _, crowd := range []bool{false, true} {
			const seconds = 200000
			n := Instructions(body)
			deaths := distuv.Poisson{Lambda: truth.Rate(n, crowd) * seconds, Src: source}.Rand()
			points = append(points, Point{n, deaths, seconds, crowd})
		}
	}
	m, err := Fit(points)
	require.NoError(t, err)
	for _, body := range Bodies {
		for _, crowd := range []bool{false, true} {
			n := Instructions(body)
			assert.InEpsilon(t, truth.Rate(n, crowd), m.Rate(n, crowd), 0.15, "%v, crowd %t", n, crowd)
		}
	}
	assert.InEpsilon(t, truth.Latency, m.Latency, 0.5)
	_, err = Fit(points[:4])
	require.Error(t, err)
	assert.Zero(t, Model{Requests: [2]float64{1, 1}, Latency: math.Inf(1)}.Rate(10, false))
}

// TestPage makes the page in docs from the records beside it, and compares it with the
// committed page.
func TestPage(t *testing.T) {
	const docs = "../../docs"
	in, err := os.Open(filepath.Join(docs, "reachability.jsonl"))
	require.NoError(t, err)
	defer in.Close()
	series, err := record.ReadSeries(in)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, Write(dir, series))
	want, err := os.ReadFile(filepath.Join(docs, "reachability.md"))
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(dir, "reachability.md"))
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got), "go run ./cmd/reachability -o docs -draw writes it")
	figures, err := filepath.Glob(filepath.Join(dir, "reachability", "*.svg"))
	require.NoError(t, err)
	assert.Len(t, figures, 3)
	for _, name := range figures {
		data, err := os.ReadFile(filepath.Join(docs, "reachability", filepath.Base(name)))
		require.NoError(t, err)
		assert.Contains(t, string(data), "</svg>")
	}
	require.NoError(t, Write(t.TempDir(), nil), "a page without experiments")
}
