package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"splitadd/internal/victim"
)

// A Job is one run of a guest.
type Job struct {
	Path     string // the guest
	Args     []string
	Env      []string      // beside PATH and the like: GODEBUG, say
	Raced    bool          // signals must be able to land on any instruction
	Deadline time.Duration // when to kill the guest; required
	Stall    time.Duration // kill it when it prints nothing for so long; 0 is never
}

// An End says why a guest's run ended.
type End string

const (
	Exited   End = "exited"   // of itself, or by a signal that was not ours
	Deadline End = "deadline" // killed at the job's deadline
	Stalled  End = "stalled"  // killed after printing nothing for too long
	TooMuch  End = "too much" // killed for printing more than MaxOutput
)

// MaxOutput is how many bytes of a guest's output are read before it is killed.
const MaxOutput = 4 << 20

// maxMemory bounds a guest's writable memory in bytes, the emulator's own
// included; QEMU sets a gigabyte aside for translated code.
const maxMemory = 6 << 30

// A Result is how a guest's run ended.
type Result struct {
	End     End
	Code    int    // exit status; -1 where a signal ended it
	Signal  string // its name, or ""
	Output  []byte // stdout and stderr, as they came
	Seconds float64
}

// Run runs a guest in a process group of its own, which dies with this
// process. The error is that of the harness: the guest's own end is in the
// result.
func (e *Engine) Run(ctx context.Context, job Job) (Result, error) {
	if job.Deadline <= 0 {
		return Result{}, errors.New("a guest without a deadline")
	}
	line := e.command(job)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir = filepath.Dir(job.Path)
	cmd.Env = append([]string{"GOTRACEBACK=system", "HOME=/", "PATH=" + os.Getenv("PATH")}, job.Env...)
	inGroup(cmd)
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
	limit(cmd.Process.Pid)
	stop := context.AfterFunc(ctx, func() { killGroup(cmd.Process) })
	defer stop()

	r := Result{End: Exited}
	r.read(read, job, begin, func() { killGroup(cmd.Process) })
	err = cmd.Wait()
	r.Seconds = time.Since(begin).Seconds()
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

// read reads the guest's output to its end, and kills the guest where the job
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

// An Exposure is what a guest says it went through.
type Exposure struct {
	Began        bool // victims were about to start
	Ended        bool // the guest reached a bound of its own
	Observations int
	Calls        uint64
	Seconds      float64 // since observation began
}

// Exposure reads the guest's last word of its exposure from its output.
func (r Result) Exposure() (x Exposure) {
	for rest := r.Output; len(rest) > 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		said, ok := bytes.CutPrefix(line, []byte(victim.Mark))
		if !ok {
			continue
		}
		x.Began = x.Began || bytes.HasPrefix(said, []byte("begin "))
		var word string
		next := Exposure{Began: x.Began}
		if n, _ := fmt.Sscanf(string(said), "%s %d calls %d seconds %f", &word, &next.Observations, &next.Calls, &next.Seconds); n == 4 {
			next.Ended = word == "end"
			x = next
		}
	}
	return x
}
