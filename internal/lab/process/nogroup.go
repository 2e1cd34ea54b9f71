//go:build !unix

package process

import (
	"os"
	"os/exec"
)

// A system without process groups has no engine, so no guest runs there. The go command
// ends by the context of its command.

// InGroup does nothing here.
func InGroup(*exec.Cmd) {}

// KillGroup kills the process alone.
func KillGroup(p *os.Process) { _ = p.Kill() }

func limit(int, bool)                    {}
func signalName(*os.ProcessState) string { return "" }
