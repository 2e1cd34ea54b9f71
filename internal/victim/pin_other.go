//go:build !linux || !arm64
// +build !linux !arm64

package victim

import "errors"

// countsSignals says whether signals at the pin are counted.
const countsSignals = false

var errNoRelease = errors.New("want Linux on arm64 to put an instruction back")

// release always fails.
func (p pin) release() error { return errNoRelease }

// countSignals does nothing.
func (p pin) countSignals() error { return nil }

func (p pin) reached() bool   { return false }
func (p pin) preempted() bool { return false }

// sendSignals does nothing.
func sendSignals() error { return nil }

// releaseWhileMarking always fails.
func (r *run) releaseWhileMarking(func() error, func() bool) error { return errNoRelease }
