//go:build !unix

package process

import (
	"os"
	"os/exec"
)

// A system without process groups has no engine, so no guest runs there. The context of
// its command ends the go command.

// InGroup does nothing here.
func InGroup(*exec.Cmd) {}

// KillGroup kills the process alone.
func KillGroup(p *os.Process) { _ = p.Kill() }

func setUser(*exec.Cmd, uint32)          {}
func limit(int, bool)                    {}
func signalName(*os.ProcessState) string { return "" }
