package record

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"splitadd/internal/crash"
	"splitadd/internal/trial"
	"splitadd/internal/window"
)

// TestRecordForm compares records with their JSON. A change to the JSON needs another Version,
// unless it only adds members.
func TestRecordForm(t *testing.T) {
	w := window.Window{
		Class: window.SP, Func: "main.f", Leaf: true, Entry: 0x77b70, PC: 0x77c04, Frame: 65552,
		File: "main.go", Line: 7, Claimed: 65552, Actual: 65536, Known: true, Pair: true, Preemptible: true,
	}
	run := trial.Run{
		Class: window.SP, Leaf: true, Func: "leaf65552", Frame: 65552, Observer: "gc", Pinned: true, Window: w,
		Outcome: trial.Died, Seconds: 0.41, Observations: 1, Calls: 0, Log: []byte("a log\n"),
		Death: crash.Death{Kind: crash.SplitSP, Evidence: `fatal "error"`, Window: &w},
	}
	control := trial.Run{Class: window.SP, Func: "leaf4096", Frame: 4096, Observer: "gc", Pinned: true, Control: true, Outcome: trial.Survived}
	var b bytes.Buffer
	to := Writer{Out: &b, Go: "go1.27.4", Engine: "native linux/arm64"}
	require.NoError(t, to.Window(w, "x"))
	require.NoError(t, to.Run(run))
	require.NoError(t, to.Run(control))
	require.NoError(t, to.Verdict(trial.Verdict{Affected: []string{"leaf SP"}, Proved: true, Tested: trial.Tested{Windows: 3, Controls: 2, Stress: 1, Seconds: 2}}))
	require.NoError(t, to.Verdict(trial.Verdict{Doubts: []string{"x"}}))
	assert.Equal(t, `{"kind":"window","v":1,"go":"go1.27.4","class":"SP","leaf":true,"func":"main.f","frame":65552,"pc":"0x77c04","offset":"0x94","claimed":65552,"actual":65536,"pair":true,"preemptible":true,"file":"main.go","line":7,"disassembly":"x"}
{"kind":"run","v":1,"go":"go1.27.4","class":"SP","leaf":true,"frame":65552,"func":"leaf65552","observer":"gc","pinned":true,"pc":"0x77c04","offset":"0x94","outcome":"died","seconds":0.41,"exposed":0,"observations":1,"calls":0,"death":"split SP","evidence":"fatal \"error\"","window":"0x77c04","engine":"native linux/arm64","log":"a log"}
{"kind":"control","v":1,"go":"go1.27.4","class":"SP","leaf":false,"frame":4096,"func":"leaf4096","observer":"gc","pinned":true,"pc":"0x0","offset":"0x0","outcome":"survived","seconds":0,"exposed":0,"observations":0,"calls":0,"engine":"native linux/arm64"}
{"kind":"verdict","v":1,"go":"go1.27.4","affected":["leaf SP"],"proved":true,"tested":{"windows":3,"controls":2,"stress":1,"stress_seconds":2},"engine":"native linux/arm64"}
{"kind":"verdict","v":1,"go":"go1.27.4","affected":[],"proved":false,"doubts":["x"],"engine":"native linux/arm64"}
`, b.String())
}
