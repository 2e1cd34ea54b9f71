package record

import (
	"encoding/json"
	"fmt"
	"io"

	"splitadd/internal/crash"
	"splitadd/internal/diagnose"
	"splitadd/internal/survey"
	"splitadd/internal/triage"
	"splitadd/internal/trial"
	"splitadd/internal/window"
)

// A Writer writes the records of one toolchain.
type Writer struct {
	Out    io.Writer
	Go     string
	Engine string
	Shard  string // of every run, such as "3/8"; "" without shards
}

func (w Writer) head(kind string) Header { return Header{kind, Version, w.Go} }

func (w Writer) write(record any) error {
	line, err := json.Marshal(record)
	if err != nil {
		return err
	}
	_, err = w.Out.Write(append(line, '\n'))
	return err
}

// Window writes a window. The disassembly is that of the instructions around it.
func (w Writer) Window(found window.Window, disassembly string) error {
	record := w.window(found)
	record.Disassembly = disassembly
	return w.write(record)
}

func (w Writer) window(found window.Window) Window {
	return Window{
		Header: w.head("window"), Class: found.Class, Leaf: found.Leaf, Func: found.Func, Frame: found.Frame, PC: hex(found.PC), Offset: hex(found.Offset()),
		Claimed: found.Claimed, Actual: found.Actual, Pair: found.Pair, Stale: found.Stale, Preemptible: found.Preemptible, Why: found.Why, Detail: found.Detail, Possible: found.Possible, File: found.File, Line: found.Line,
	}
}

// Binary writes the windows of a binary, and then the binary itself.
func (w Writer) Binary(b *survey.Binary) error {
	w.Go = b.Go
	for _, f := range b.Functions {
		for _, found := range f.Windows {
			record := w.window(found.Window)
			record.Binary, record.Place, record.Owner, record.Disassembly = b.Path, Place(b.Place), f.Owner, found.Disassembly
			if err := w.write(record); err != nil {
				return err
			}
		}
	}
	return w.write(Binary{w.head("binary"), b.Path, Place(b.Place), b.Format, b.Main, b.UnwindsFP, b.Preemptible(), append([]string{}, b.Kinds()...), b.Accepted, b.Unchecked, b.Undecoded})
}

// Failure writes the record of a file or package that could not be scanned.
func (w Writer) Failure(f Failure) error {
	f.Header = w.head("error")
	return w.write(f)
}

// Scan writes the totals of a scan.
func (w Writer) Scan(s Scan) error {
	s.Header, s.Errors = w.head("scan"), append([]string{}, s.Errors...)
	return w.write(s)
}

// Run writes a run, as a control if it is one.
func (w Writer) Run(r trial.Run) error {
	record := Run{
		Header: w.head("run"), Class: r.Class, Leaf: r.Leaf, Frame: r.Frame, Func: r.Func,
		Observer: r.Observer, Pinned: r.Pinned, Outcome: r.Outcome, Seconds: r.Seconds,
		Observations: r.Observations, Calls: r.Calls, Death: string(r.Death.Kind),
		Evidence: r.Death.Evidence, Reason: r.Reason, Engine: w.Engine, Exposed: r.Exposed, Seed: r.Seed, Shard: w.Shard,
	}
	if !r.Pinned {
		record.Stress = &r.Stress
	}
	if r.Control {
		record.Kind = "control"
	}
	if r.Pinned {
		record.PC, record.Offset = hex(r.Window.PC), hex(r.Window.Offset())
	}
	if r.Outcome == trial.Died {
		function := ""
		if r.Death.Window != nil {
			function = r.Death.Window.Func
		}
		record.Log = crash.Excerpt(r.Log, function)
	}
	if r.Death.Window != nil {
		record.Window = hex(r.Death.Window.PC)
	}
	return w.write(record)
}

// Series writes a series. It does not write a series without exposure, whose bounds are
// infinite, because JSON has no infinity.
func (w Writer) Series(s trial.Series) error {
	if s.Sample.Seconds() == 0 {
		return nil
	}
	return w.write(w.series(s))
}

func (w Writer) series(s trial.Series) Series {
	median, known := s.Sample.Median()
	interval := func(i trial.Interval) Interval { return Interval{i.Estimate, i.Low, i.High} }
	record := Series{
		Header: w.head("series"), Label: s.Label, Class: s.Class, Leaf: s.Leaf, Frame: s.Frame, Func: s.Func, Observer: s.Observer,
		Stress: s.Stress, Env: s.Env, Under: s.Under, Limit: s.Limit.Seconds(), Runs: len(s.Sample), Deaths: s.Sample.Deaths(),
		Exposed: s.Sample.Seconds(), Observations: s.Sample.Observations(), Median: median, MedianKnown: known,
		Rate: interval(s.Sample.Rate()), Chance: interval(s.Sample.Chance()), Warnings: s.Sample.Warnings(), Engine: s.Engine,
	}
	for _, l := range s.Sample {
		record.Lives = append(record.Lives, Life{l.Seconds, l.Died})
	}
	return record
}

// Diagnosis writes a diagnosis.
func (w Writer) Diagnosis(r *diagnose.Report) error {
	record := Diagnosis{
		Header: w.head("diagnosis"), Line: r.Program.Command, Ways: []Way{}, Kinds: []string{}, Limits: r.Limits, Conclusion: r.Conclusion, Confidence: r.Confidence, Engine: w.Engine,
	}
	if r.Binary != nil {
		record.Kinds = append(record.Kinds, r.Binary.Kinds()...)
	}
	for _, c := range r.Counts {
		way := Way{Way: c.Way, Runs: c.Runs, Deaths: c.Deaths, Failed: c.Failed, Hung: c.Hung, CutOff: c.Cut, Races: c.DataRaces}
		if c.FirstDeath.Kind != "" {
			way.Death = c.FirstDeath.String()
		}
		record.Ways = append(record.Ways, way)
	}
	return w.write(record)
}

// Triage writes the verdict on a crash.
func (w Writer) Triage(v triage.Verdict) error {
	w.Go = v.Go
	record := Triage{
		Header: w.head("triage"), Input: v.Input, Line: v.Line, Arch: v.Arch, Answer: string(v.Answer), Why: v.Reason,
		Evidence: append([]string{}, v.Evidence...), Settle: v.Settle, Do: append([]string{}, v.Do...), Log: v.Text,
	}
	if v.Count > 1 {
		record.Count, record.Last = v.Count, v.Last
	}
	record.Issues = v.Issues
	record.Confidence, record.Suspect, record.CutOff = string(v.Confidence), v.Suspect, v.CutOff
	if v.Window != nil {
		record.Func, record.Offset = v.Window.Func, hex(v.Window.Offset())
	}
	for _, c := range v.Candidates {
		record.Candidates = append(record.Candidates, c.Chain())
	}
	return w.write(record)
}

// Verdict writes a verdict.
func (w Writer) Verdict(v trial.Verdict) error {
	record := Verdict{Header: w.head("verdict"), Affected: append([]string{}, v.Affected...), Proved: v.Proved, Doubts: v.Doubts, Engine: w.Engine}
	if v.Proved {
		record.Tested = &Tested{v.Tested.Windows, v.Tested.Controls, v.Tested.Stress, v.Tested.Seconds}
	}
	return w.write(record)
}

func hex(n uint64) string { return fmt.Sprintf("%#x", n) }
