// Package record defines the versioned JSON that the verbs write, one record on each line. It
// also reads records, and pools those of several machines.
package record

import (
	"splitadd/internal/gate"
	"splitadd/internal/trial"
	"splitadd/internal/window"
)

// Version is the version of all records. It is incremented when a member is removed or changes
// its meaning, and not when a member is added.
const Version = 1

// A Header begins every record.
type Header struct {
	Kind    string `json:"kind"` // "window", "run", "control", "series", "verdict", "binary", "error", "scan", "diagnosis", "triage"
	Version int    `json:"v"`
	Go      string `json:"go,omitempty"` // the release, as the toolchain prints it
}

// A Window is a window that was found.
type Window struct {
	Header
	Class       window.Class `json:"class"`
	Leaf        bool         `json:"leaf"`
	Func        string       `json:"func"`
	Frame       int64        `json:"frame"` // bytes
	PC          string       `json:"pc"`
	Offset      string       `json:"offset"` // from the function's entry
	Claimed     int64        `json:"claimed"`
	Actual      int64        `json:"actual"`          // bytes below the stack pointer at entry
	Pair        bool         `json:"pair"`            // between the two ADDs of one adjustment
	Stale       bool         `json:"stale,omitempty"` // the frame pointer is that of the popped frame
	Preemptible bool         `json:"preemptible"`
	Why         string       `json:"why,omitempty"`      // not preemptible
	Detail      string       `json:"detail,omitempty"`   // what is wrong, of classes other than SP and FP
	Possible    bool         `json:"possible,omitempty"` // whether it does harm depends on things that the code does not show
	File        string       `json:"file"`
	Line        int          `json:"line"`
	Binary      string       `json:"binary,omitempty"` // path; of a scan
	Place                    // of the binary
	Owner       string       `json:"owner,omitempty"` // whose code it is; of a scan
	Disassembly string       `json:"disassembly,omitempty"`
}

// A Place says in which image or archive scan found a binary. The path of the binary is then
// the path in the image or archive.
type Place struct {
	Archive string `json:"archive,omitempty"` // path; "-" is standard input
	Image   string `json:"image,omitempty"`   // its tag and platform
	Layer   string `json:"layer,omitempty"`   // digest
	Command string `json:"command,omitempty"` // the command that made the layer
}

// WindowKind returns the window's kind, such as "leaf SP" (window.Window.Kind).
func (w Window) WindowKind() string {
	return window.Window{Class: w.Class, Leaf: w.Leaf, Stale: w.Stale}.Kind()
}

// A Binary is a binary that was scanned. The records of its windows precede it.
type Binary struct {
	Header
	Path string `json:"path"`
	Place
	Format      string   `json:"format"`
	Main        string   `json:"main,omitempty"` // main module and version
	UnwindsFP   bool     `json:"unwinds_fp"`
	Preemptible int      `json:"preemptible"`         // windows in which the runtime preempts
	Kinds       []string `json:"kinds"`               // of the windows in which the runtime preempts
	Accepted    int      `json:"accepted,omitempty"`  // windows that a baseline accepts, which are not listed
	Unchecked   []string `json:"unchecked,omitempty"` // functions in which a clause could not be checked, because of their branches
	Undecoded   int      `json:"undecoded,omitempty"` // words of code that were not decoded; of scan -all
}

// A Failure, of kind "error", is a file or a package that could not be scanned.
type Failure struct {
	Header
	Path  string `json:"path"` // or a package pattern
	Error string `json:"error"`
}

// A Scan is the last record of a scan: its totals.
type Scan struct {
	Header
	Tool       string         `json:"tool"`               // its version
	Binaries   int            `json:"binaries"`           // Go binaries for arm64
	Affected   int            `json:"affected"`           // Go binaries for arm64 with a window in which the runtime preempts
	Only       []string       `json:"only,omitempty"`     // the kinds that count; empty means all
	Accepted   int            `json:"accepted,omitempty"` // windows that a baseline accepts
	Stale      []gate.Entry   `json:"stale,omitempty"`    // entries of the baseline that accepted nothing
	Foreign    map[string]int `json:"foreign,omitempty"`  // Go binaries for other architectures, by GOARCH
	NotArm64Go int            `json:"others"`             // all other files
	Errors     []string       `json:"errors"`             // the errors of the failures
}

// A Run is one run of a guest. A record of kind "control" is a run that must survive.
type Run struct {
	Header
	Class        window.Class        `json:"class"`
	Leaf         bool                `json:"leaf"`
	Frame        int                 `json:"frame"` // bytes
	Func         string              `json:"func"`
	Observer     string              `json:"observer"`
	Pinned       bool                `json:"pinned"`
	PC           string              `json:"pc,omitempty"`     // where it was pinned
	Offset       string              `json:"offset,omitempty"` // from the function's entry
	Outcome      trial.Outcome       `json:"outcome"`
	Seconds      float64             `json:"seconds"`
	Exposed      float64             `json:"exposed"` // seconds, since the victims began
	Observations int                 `json:"observations"`
	Calls        uint64              `json:"calls"`
	Stress       *trial.StressConfig `json:"racing,omitempty"`   // of a run that was not pinned
	Death        string              `json:"death,omitempty"`    // kind
	Evidence     string              `json:"evidence,omitempty"` // line of the log
	Window       string              `json:"window,omitempty"`   // pc that the log names
	Reason       string              `json:"reason,omitempty"`   // of a harness failure
	Engine       string              `json:"engine"`
	Seed         int                 `json:"seed,omitempty"`  // different for each run of a series; 0 means none
	Shard        string              `json:"shard,omitempty"` // "3/8": of a run in shards
	Log          string              `json:"log,omitempty"`   // an excerpt, if the guest died
}

// A Series is what runs of one victim under the same conditions measured. The records of the
// runs precede it.
type Series struct {
	Header
	Label        string             `json:"label,omitempty"`
	Class        window.Class       `json:"class"`
	Leaf         bool               `json:"leaf"`
	Frame        int                `json:"frame"` // bytes
	Func         string             `json:"func"`
	Observer     string             `json:"observer"`
	Stress       trial.StressConfig `json:"racing"`
	Env          []string           `json:"env,omitempty"`
	Under        []string           `json:"under,omitempty"` // the tool that ran the guest
	Limit        float64            `json:"limit"`           // seconds
	Runs         int                `json:"runs"`
	Deaths       int                `json:"deaths"`
	Exposed      float64            `json:"exposed"` // seconds, of all runs
	Observations int                `json:"observations"`
	Median       float64            `json:"median"`       // seconds to crash
	MedianKnown  bool               `json:"median_known"` // if false, the median is greater than Median
	Rate         Interval           `json:"rate"`         // deaths per second of exposure
	Chance       Interval           `json:"chance"`       // of death in one run
	Lives        []Life             `json:"lives"`
	Warnings     []string           `json:"warnings,omitempty"`
	Engine       string             `json:"engine"`
}

// An Interval is an estimate with its bounds at trial.Confidence.
type Interval struct {
	Estimate float64 `json:"estimate"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
}

// Sample returns the lives of a series.
func (s Series) Sample() (sample trial.Sample) {
	for _, l := range s.Lives {
		sample = append(sample, trial.Life{Seconds: l.Seconds, Died: l.Died})
	}
	return sample
}

// A Life is the life of a victim in one run of a series.
type Life struct {
	Seconds float64 `json:"seconds"`
	Died    bool    `json:"died"` // false: right-censored at the end of the run
}

// A Diagnosis is what the runs of a user's program, and its binary, show.
type Diagnosis struct {
	Header
	Line       []string `json:"line"`
	Ways       []Way    `json:"ways"`
	Kinds      []string `json:"kinds"`            // the kinds of window in the binary
	Limits     []string `json:"limits,omitempty"` // how a run differs from one without splitadd
	Conclusion string   `json:"conclusion"`
	Confidence string   `json:"confidence"`
	Engine     string   `json:"engine"`
}

// A Way is a way of running the program, with the results of its runs.
type Way struct {
	Way    string `json:"way"`
	Runs   int    `json:"runs"`
	Deaths int    `json:"deaths"`
	Failed int    `json:"failed"`
	Hung   int    `json:"hung"`          // killed by splitadd
	CutOff int    `json:"cut,omitempty"` // runs that printed so much that the middle was not read
	Races  int    `json:"races"`
	Death  string `json:"death,omitempty"` // the first death whose cause is known
}

// A Triage is the answer for one crash.
type Triage struct {
	Header
	Input      string   `json:"input"`           // a file; "-" is standard input
	Line       int      `json:"line,omitempty"`  // of a log, where the crash begins, from 1
	Count      int      `json:"count,omitempty"` // how many crashes in the log have the same text, if there are several
	Last       int      `json:"last,omitempty"`  // the line at which the last of them begins
	Arch       string   `json:"arch,omitempty"`
	Answer     string   `json:"answer"` // "split SP", "split FP", "not this", "undecided"
	Why        string   `json:"why,omitempty"`
	Confidence string   `json:"sure,omitempty"`    // if the answer is not "undecided": "certain" or "likely"
	Suspect    bool     `json:"suspect,omitempty"` // the answer is "undecided", and the crash looks like this defect
	CutOff     string   `json:"cut,omitempty"`     // where the log is cut off
	Evidence   []string `json:"evidence"`
	Settle     string   `json:"settle,omitempty"` // what would settle it
	Do         []string `json:"do"`
	Issues     []int    `json:"issues,omitempty"`     // of golang/go: the defects that it is instead
	Func       string   `json:"func,omitempty"`       // of the window
	Offset     string   `json:"offset,omitempty"`     // from the function's entry
	Candidates []string `json:"candidates,omitempty"` // windows that fit the numbers in the log
	Log        string   `json:"log,omitempty"`        // an excerpt
}

// A Verdict is the verdict on a toolchain. It is the last record of each toolchain.
type Verdict struct {
	Header
	Affected []string `json:"affected"` // kinds, of window.KindNames()
	Proved   bool     `json:"proved"`   // false: from the windows alone, without a run
	Doubts   []string `json:"doubts,omitempty"`
	Tested   *Tested  `json:"tested,omitempty"` // nil if nothing was run
	Engine   string   `json:"engine,omitempty"`
}

// Tested counts the runs for a verdict.
type Tested struct {
	Windows  int     `json:"windows"`        // pinned
	Controls int     `json:"controls"`       // pins that must not kill the guest
	Stress   int     `json:"stress"`         // stress runs, for kinds of which no window was found
	Seconds  float64 `json:"stress_seconds"` // exposure of the stress runs
}
