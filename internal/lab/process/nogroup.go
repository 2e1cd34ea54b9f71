//go:build !unix

package process

import (
	"os"
	"os/exec"
)

// Where there are no process groups no guest is run: there is no engine. The
// go command's own end is left to the context of its command.

// InGroup does nothing here.
func InGroup(*exec.Cmd) {}

// KillGroup kills the process alone.
func KillGroup(p *os.Process) { _ = p.Kill() }

func limit(int, bool)                    {}
func signalName(*os.ProcessState) string { return "" }
