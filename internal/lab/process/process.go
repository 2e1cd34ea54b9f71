// Package process runs one process under bounds. It imports the standard
// library alone: the agent of a virtual machine is built from it, too, so that
// a guest has the same bounds and ends in the same ways in every engine.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// A Job is one run of a command.
type Job struct {
	Line     []string // the command and its arguments
	Dir      string
	Env      []string      // beside PATH and the like: GODEBUG, say
	Core     bool          // may leave a core file, where the system has it so
	Deadline time.Duration // when to kill the process; required
	Stall    time.Duration // kill it when it prints nothing for so long; 0 is never
}

// An End says why a process's run ended.
type End string

const (
	Exited   End = "exited"   // of itself, or by a signal that was not ours
	Deadline End = "deadline" // killed at the job's deadline
	Stalled  End = "stalled"  // killed after printing nothing for too long
	TooMuch  End = "too much" // killed for printing more than MaxOutput
)

// MaxOutput is how many bytes of a process's output are read before it is killed.
const MaxOutput = 4 << 20

// maxMemory bounds a process's writable memory in bytes, an emulator's own
// included; QEMU sets a gigabyte aside for translated code.
const maxMemory = 6 << 30

// A Result is how a process's run ended.
type Result struct {
	End     End
	Code    int     // exit status; -1 where a signal ended it
	Signal  string  // what the system calls it, or ""
	Output  []byte  `json:"-"` // stdout and stderr, as they came
	Seconds float64 // from its start to its end
	First   float64 // to its first output; Seconds where there is none
}

// Run runs a job in a process group of its own, which dies with this process.
// The error is that of the harness: the process's own end is in the result.
func Run(ctx context.Context, job Job) (Result, error) {
	if job.Deadline <= 0 {
		return Result{}, errors.New("a guest without a deadline")
	}
	cmd := exec.Command(job.Line[0], job.Line[1:]...)
	cmd.Dir = job.Dir
	cmd.Env = append([]string{"GOTRACEBACK=system", "HOME=/", "PATH=" + os.Getenv("PATH")}, job.Env...)
	InGroup(cmd)
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
	limit(cmd.Process.Pid, job.Core)
	stop := context.AfterFunc(ctx, func() { KillGroup(cmd.Process) })
	defer stop()

	r := Result{End: Exited}
	r.read(read, job, begin, func() { KillGroup(cmd.Process) })
	err = cmd.Wait()
	r.Seconds = time.Since(begin).Seconds()
	if len(r.Output) == 0 {
		r.First = r.Seconds
	}
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

// read reads the process's output to its end, and kills it where the job
// says so.
func (r *Result) read(from *os.File, job Job, begin time.Time, kill func()) {
	deadline := begin.Add(job.Deadline)
	said := begin
	buffer := make([]byte, 32<<10) // 64 KiB, on the stack, would be a window of our own
	for {
		until, end := deadline, Deadline
		if stall := said.Add(job.Stall); job.Stall > 0 && stall.Before(deadline) {
			until, end = stall, Stalled
		}
		if r.End != Exited { // killed: only what is in the pipe is left
			until, end = time.Now().Add(time.Second), r.End
		}
		if err := from.SetReadDeadline(until); err != nil {
			r.End = end
			kill()
			return
		}
		n, err := from.Read(buffer)
		if n > 0 {
			said = time.Now()
			if len(r.Output) == 0 {
				r.First = said.Sub(begin).Seconds()
			}
			r.Output = append(r.Output, buffer[:min(n, MaxOutput-len(r.Output))]...)
			if len(r.Output) == MaxOutput && r.End == Exited {
				r.End = TooMuch
				kill()
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && r.End == Exited:
			r.End = end
			kill()
		default:
			return
		}
	}
}
