package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/dustin/go-humanize/english"

	"splitadd/internal/gate"
	"splitadd/internal/output"
	"splitadd/internal/window"
)

// baselineKind is the kind of output of scan -write-baseline.
var baselineKind = output.Kind{Name: "a baseline", Verify: func(r io.Reader) error {
	_, err := gate.ReadBaseline(r)
	return err
}}

// gateFlags are the flags of scan that say which windows count, and what fails it.
type gateFlags struct{ kinds, failOn, baseline, write string }

func (g *gateFlags) add(flags *flag.FlagSet) {
	flags.StringVar(&g.kinds, "kind", "", "report windows of these kinds only: `KIND[,KIND]`, each one of "+strings.Join(window.KindNames(), ", "))
	flags.StringVar(&g.failOn, "fail-on", string(gate.Possible),
		"set exit status 3 for `WHICH` windows: certain, possible (those too whose harm depends on what the code does not show) or never")
	flags.StringVar(&g.baseline, "baseline", "", "do not report the windows that the baseline in `FILE` accepts")
	flags.StringVar(&g.write, "write-baseline", "",
		"write a baseline that accepts every window found to `FILE`, and end with status 0; reasons that are written there are kept")
}

// gate returns the gate that the flags ask for. The inputs are the files to scan.
func (g *gateFlags) gate(inputs []string) (to gate.Gate, err error) {
	if to.Kinds, err = gate.ParseKinds(g.kinds); err != nil {
		return to, usageError{err}
	}
	if to.FailOn, err = gate.ParseFailOn(g.failOn); err != nil {
		return to, usageError{err}
	}
	switch {
	case g.baseline != "" && g.write != "":
		return to, usageError{errors.New("-baseline and -write-baseline exclude each other")}
	case g.baseline != "":
		to.Baseline, err = readBaseline(g.baseline)
	case g.write != "":
		to.Found, to.FailOn = gate.NewBaseline(), gate.Never
		err = checkOutput(g.write, baselineKind, inputs...)
	}
	return to, err
}

// readBaseline reads the baseline in a file.
func readBaseline(path string) (*gate.Baseline, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := gate.ReadBaseline(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

// gated writes the baseline, if one is to be written. It says which windows do not set the
// exit status, and returns the error for it if windows fail the scan.
func (s *scanner) gated() error {
	if s.gate.Fails() {
		return errAffected
	}
	if n := s.gate.Passed(); n > 0 && s.gate.FailOn == gate.Certain {
		say(s.stderr, "note", "-fail-on certain leaves out "+english.Plural(n, "possible window", ""))
	}
	if s.flags.write == "" {
		return nil
	}
	if len(s.sum.Errors) > 0 || s.sum.Binaries == 0 {
		return fmt.Errorf("%s: not written, because not everything could be scanned", s.flags.write)
	}
	return s.writeBaseline(s.flags.write)
}

// writeBaseline writes a baseline that accepts what was found.
func (s *scanner) writeBaseline(path string) error {
	old, err := readBaseline(path)
	if info, e := os.Stat(path); errors.Is(err, fs.ErrNotExist) || e == nil && info.Size() == 0 {
		old, err = gate.NewBaseline(), nil
	}
	if err != nil {
		return err
	}
	renewed := s.gate.Renewed(old)
	if err := output.Replace(path, 0o666, func(file *os.File) error { return renewed.Write(file) }); err != nil {
		return err
	}
	say(s.stderr, "note", fmt.Sprintf("%s: %s written", path, english.Plural(renewed.Len(), "entry", "entries")))
	return nil
}

// staleEntries names the entries of the baseline that accepted nothing. After an error
// nothing is known about them.
func (s *scanner) staleEntries() {
	if len(s.sum.Errors) > 0 || s.sum.Binaries == 0 {
		return
	}
	s.sum.Stale = s.gate.Stale()
	const most = 10
	for _, e := range s.sum.Stale[:min(len(s.sum.Stale), most)] {
		say(s.stderr, "warning", s.flags.baseline+": no longer found: "+e.String())
	}
	if more := len(s.sum.Stale) - most; more > 0 {
		say(s.stderr, "warning", fmt.Sprintf("%s: no longer found: %d more", s.flags.baseline, more))
	}
}
