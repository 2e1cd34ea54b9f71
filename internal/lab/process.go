//go:build unix

package lab

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// inGroup makes a command the leader of a process group of its own, which is
// killed when its context ends and, on Linux, dies with the thread that
// started it.
func inGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	if cmd.Cancel != nil {
		cmd.Cancel = func() error { killGroup(cmd.Process); return nil }
	}
}

func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

func signalName(s *os.ProcessState) string {
	if status, ok := s.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return unix.SignalName(status.Signal())
	}
	return ""
}
