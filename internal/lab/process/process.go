// Package process runs one process under bounds. The agent of a virtual machine is
// built from this package as well, so that a guest has the same bounds and ends in
// the same ways in every engine. So it imports only the standard library.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// A Job is one run of a command.
type Job struct {
	Command  []string // the command and its arguments
	Dir      string
	Env      []string      // added to PATH and the like; for example GODEBUG
	Core     bool          // may leave a core file, if the system writes them
	Deadline time.Duration // when to kill the process; required

	// UserProgram is for a user's program, which is to run as it would without splitadd.
	// Env is then the whole environment, memory and core files are not limited, and
	// the middle of an output of more than MaxOutput bytes is left out.
	UserProgram bool

	// User is the ID of the user and the group that the process has. 0 means those of this
	// process, which must be root for any other.
	User uint32
}

// An End says why a process's run ended.
type End string

const (
	Exited        End = "exited"   // ended by itself, or by a signal that splitadd did not send
	Deadline      End = "deadline" // killed at the job's deadline
	TooMuchOutput End = "too much" // killed for printing MaxOutput bytes
)

// MaxOutput is how many bytes of a process's output are kept. A process is killed when it
// has printed that many, unless it is a UserProgram.
const MaxOutput = 4 << 20

// maxMemory bounds a process's writable memory in bytes. That includes the memory of an
// emulator. QEMU reserves a gigabyte for translated code.
const maxMemory = 6 << 30

// A Result is how a process's run ended.
type Result struct {
	End         End
	Code        int     // exit status; -1 if a signal ended it
	Signal      string  // the system's name of the signal, or ""
	Output      []byte  `json:"-"` // stdout and stderr, as they came
	Seconds     float64 // from its start to its end
	FirstOutput float64 // to its first output; Seconds if there is none
	Dropped     int64   // bytes left out of Output, from its middle
}

// drainTime is how long Run goes on reading the output of a process that has ended, if
// another process keeps the output open.
const drainTime = 500 * time.Millisecond

// Run runs a job in its own process group, which dies with this process. It returns when
// the job's own process has ended, even if children of it still run. An error means
// that the harness failed. The result says how the process ended.
func Run(ctx context.Context, job Job) (Result, error) {
	if job.Deadline <= 0 {
		return Result{}, errors.New("a guest without a deadline")
	}
	cmd := exec.Command(job.Command[0], job.Command[1:]...)
	cmd.Dir, cmd.Env = job.Dir, job.Env
	if !job.UserProgram {
		cmd.Env = append([]string{"GOTRACEBACK=system", "HOME=/", "PATH=" + os.Getenv("PATH")}, job.Env...)
	}
	InGroup(cmd)
	setUser(cmd, job.User)
	read, write, err := os.Pipe()
	if err != nil {
		return Result{}, err
	}
	defer read.Close()
	cmd.Stdout, cmd.Stderr = write, write

	// The kernel ties the guest's life to the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		write.Close()
		return Result{}, fmt.Errorf("guest: %w", err)
	}
	write.Close()
	if !job.UserProgram {
		limit(cmd.Process.Pid, job.Core)
	}
	kill := func() { KillGroup(cmd.Process) }
	stop := context.AfterFunc(ctx, kill)
	defer stop()

	out := &output{middle: job.UserProgram, full: make(chan struct{})}
	closed, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(closed)
		_, _ = io.Copy(out, read)
	}()
	go func() { ended <- cmd.Wait() }()
	r := Result{End: Exited}
	err = r.watch(job, begin, out, ended, kill)
	stop()
	r.Seconds = time.Since(begin).Seconds()
	drain(read, closed, kill)
	out.into(&r, begin)
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return r, fmt.Errorf("guest: %w", err)
	}
	r.Code, r.Signal = cmd.ProcessState.ExitCode(), signalName(cmd.ProcessState)
	return r, nil
}

// watch waits for a process to end, and kills it if the job says so.
func (r *Result) watch(job Job, begin time.Time, out *output, ended <-chan error, kill func()) error {
	deadline := time.NewTimer(job.Deadline - time.Since(begin))
	defer deadline.Stop()
	select {
	case err := <-ended:
		return err
	case <-deadline.C:
		r.End = Deadline
	case <-out.full:
		r.End = TooMuchOutput
	}
	kill()
	return <-ended
}

// drain waits until the output of a process that has ended is closed. It kills processes
// of the same group that keep the output open, and does not wait for those of another
// group.
func drain(read *os.File, closed <-chan struct{}, kill func()) {
	for n := 0; n < 2; n++ { // the language is that of the init's module, Go 1.21
		select {
		case <-closed:
			return
		case <-time.After(drainTime):
			kill()
		}
	}
	if read.SetReadDeadline(time.Now()) == nil { // not every system has that for pipes
		<-closed
	}
}
