package record

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/objfile/objtest"
	"splitadd/internal/trial"
)

// TestRoundTrip writes records and reads them back.
func TestRoundTrip(t *testing.T) {
	var b bytes.Buffer
	w := Writer{Out: &b, Go: "go1.27.4", Engine: "e"}
	s := trial.Series{Label: "a/b", Func: "f", Class: "SP", Observer: "gc", Limit: time.Second, Sample: trial.Sample{{Seconds: 2, Died: true}, {Seconds: 3}}}
	require.NoError(t, w.Series(s))
	require.NoError(t, w.Series(trial.Series{}), "a series without runs has no record")
	require.NoError(t, w.Verdict(trial.Verdict{Affected: []string{"leaf SP"}, Proved: true}))
	w.Go = "go1.1"
	require.NoError(t, w.Verdict(trial.Verdict{Affected: []string{"leaf SP"}}))
	w.Go = "go1.2"
	require.NoError(t, w.Verdict(trial.Verdict{Proved: true, Doubts: []string{"x"}}))
	b.WriteString(`{"kind":"verdict","v":1,"go":"go1.3","affected":[],"proved":true}` + "\n") // of a version that did not test the finder
	data := b.String()

	series, err := ReadSeries(strings.NewReader(data))
	require.NoError(t, err)
	require.Len(t, series, 1)
	assert.Equal(t, []Life{{2, true}, {3, false}}, series[0].Lives)
	assert.Equal(t, []any{1, 2, 5.0, "a/b"}, []any{series[0].Deaths, series[0].Runs, series[0].Exposed, series[0].Label})
	verdicts, err := ReadVerdicts(strings.NewReader(data))
	require.NoError(t, err)
	assert.Equal(t, map[string]trial.Verdict{"go1.27.4": {Affected: []string{"leaf SP"}, Proved: true}}, verdicts, "only what was proved")

	// If the data is cut off anywhere, the complete records are still read.
	for cut := range len(data) {
		_, err := ReadVerdicts(strings.NewReader(data[:cut]))
		require.NoError(t, err, "cut at %d", cut)
		whole, err := CompleteRecords([]byte(data[:cut]))
		require.NoError(t, err, "cut at %d", cut)
		assert.Equal(t, int64(strings.LastIndexByte(data[:cut], '\n')+1), whole.Size())
	}
	for _, notes := range []string{"my notes", "my notes\n", data + "my notes", data + "my notes\n" + data} {
		_, err := CompleteRecords([]byte(notes))
		assert.Error(t, err, "%q", notes)
	}
	for _, bad := range []string{"\n", "{\n", "[]\n", "{\"v\":2}\n", strings.Repeat("x", maxLineSize+1) + "\n"} {
		_, err := ReadSeries(strings.NewReader(data + bad))
		require.ErrorContains(t, err, "line 6: ", "%.20q", bad)
	}
}

// FuzzRead reads damaged records. All readers must agree on which records are complete.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"kind":"series","v":1,"lives":[{"seconds":1,"died":true}]}` + "\n"))
	var b bytes.Buffer
	w := Writer{Out: &b, Go: "go1.27.4", Engine: "e"}
	require.NoError(f, w.Series(trial.Series{Label: "a/b", Func: "f", Class: "SP", Observer: "gc", Limit: time.Second, Sample: trial.Sample{{Seconds: 2, Died: true}, {Seconds: 3}}}))
	require.NoError(f, w.Verdict(trial.Verdict{Affected: []string{"leaf SP"}, Proved: true}))
	require.NoError(f, w.Verdict(trial.Verdict{Proved: true, Doubts: []string{"x"}}))
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:b.Len()-3])
	f.Fuzz(func(t *testing.T, data []byte) {
		objtest.RunBounded(t, func() {
			_, _ = ReadSeries(bytes.NewReader(data))
			if whole, err := CompleteRecords(data); err == nil {
				require.LessOrEqual(t, whole.Size(), int64(len(data)))
				_, _ = ReadVerdicts(whole)
			}
		})
	})
}
