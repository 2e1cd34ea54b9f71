package main

import (
	"flag"
	"fmt"
	"strings"

	"splitadd/internal/gate"
	"splitadd/internal/window"
)

// gateFlags are the flags of scan that say which windows count, and what fails it.
type gateFlags struct{ kinds, failOn string }

func (g *gateFlags) add(flags *flag.FlagSet) {
	flags.StringVar(&g.kinds, "kind", "", "report windows of these kinds only: `KIND[,KIND]`, each one of "+strings.Join(window.KindNames(), ", "))
	flags.StringVar(&g.failOn, "fail-on", string(gate.Possible),
		"set exit status 3 for `WHICH` windows: certain, possible (those too whose harm depends on what the code does not show) or never")
}

// gate returns the gate that the flags ask for.
func (g *gateFlags) gate() (gate.Gate, error) {
	kinds, err := gate.ParseKinds(g.kinds)
	if err != nil {
		return gate.Gate{}, usageError{err}
	}
	failOn, err := gate.ParseFailOn(g.failOn)
	if err != nil {
		return gate.Gate{}, usageError{err}
	}
	return gate.Gate{Kinds: kinds, FailOn: failOn}, nil
}

// gated says which windows did not count, and returns the error for the exit status if
// windows fail the scan.
func (s *scanner) gated() error {
	if s.gate.Fails() {
		return errAffected
	}
	if n := s.gate.Passed(); n > 0 && s.gate.FailOn == gate.Certain {
		say(s.stderr, "note", fmt.Sprintf("-fail-on certain: %d possible windows do not set the exit status", n))
	}
	return nil
}
