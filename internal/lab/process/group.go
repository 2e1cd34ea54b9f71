//go:build unix

package process

import (
	"os"
	"os/exec"
	"syscall"
)

// InGroup makes a command the leader of a new process group. The group is killed when
// the command's context ends. On Linux the command also dies with the thread that
// started it.
func InGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	if cmd.Cancel != nil {
		cmd.Cancel = func() error { KillGroup(cmd.Process); return nil }
	}
}

// setUser makes the process of a command that InGroup prepared another user's. 0 changes
// nothing.
func setUser(cmd *exec.Cmd, id uint32) {
	if id != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: id, Gid: id}
	}
}

// KillGroup kills a process that InGroup prepared, and its group.
func KillGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

func signalName(s *os.ProcessState) string {
	if status, ok := s.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal().String()
	}
	return ""
}
