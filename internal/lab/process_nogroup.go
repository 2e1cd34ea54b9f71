//go:build !unix

package lab

import (
	"os"
	"os/exec"
)

// Where there are no process groups no guest is run: there is no engine. The
// go command's own end is left to the context of its command.
func inGroup(*exec.Cmd)                  {}
func limit(int)                          {}
func killGroup(p *os.Process)            { _ = p.Kill() }
func signalName(*os.ProcessState) string { return "" }
