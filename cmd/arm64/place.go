package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"splitadd/internal/lab"
	"splitadd/internal/lab/process"
	"splitadd/internal/lab/vm"
)

// A place is where the steps run: this machine or a virtual one.
type place struct {
	evidence string // what it is, exactly
	commit   string // of the project
	booted   bool   // it is a virtual machine
	project  string // the root of the project there
	env      []string
	user     uint32 // see process.Job
	run      func(ctx context.Context, job process.Job, oneByOne bool) (process.Result, error)
	close    func()
}

// memoryMB is the memory of the virtual machine in MiB, with which Go can link the
// command.
const memoryMB = 6144

// user is the ordinary user of the virtual machine.
const user = 1000

// tools are the Debian packages that the virtual machine has: what the steps and tests use
// of a usual system.
var tools = []string{"coreutils", "dash", "procps", "sed", "strace", "tar", "util-linux"}

// findPlace returns this machine, if it is arm64 with Linux, or a virtual one that it
// boots. Its disk is in a file, or in a temporary one if that is "".
func findPlace(ctx context.Context, disk string, w io.Writer) (p *place, err error) {
	commit, err := capture(ctx, job{dir: ".", command: []string{"git", "describe", "--always", "--dirty", "--abbrev=12"}})
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "splitadd-arm64-")
	if err != nil {
		return nil, err
	}
	if runtime.GOOS == "linux" && runtime.GOARCH == "arm64" {
		root, err := os.Getwd()
		return &place{
			evidence: fmt.Sprintf("native: %s/%s, %s", runtime.GOOS, runtime.GOARCH, process.Machine()), commit: commit,
			project: root, env: append(os.Environ(), "WORK="+work),
			run: func(ctx context.Context, job process.Job, _ bool) (process.Result, error) {
				return process.Run(ctx, job)
			},
			close: func() { os.RemoveAll(work) },
		}, err
	}
	p, err = bootPlace(ctx, work, disk, w)
	if err != nil {
		os.RemoveAll(work)
		return nil, err
	}
	p.commit = commit
	return p, nil
}

// bootPlace makes a disk, if there is none, and boots a virtual machine with it.
func bootPlace(ctx context.Context, work, image string, w io.Writer) (*place, error) {
	if image == "" {
		image = filepath.Join(work, "disk")
	}
	image, err := filepath.Abs(image)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(image); err != nil {
		if err := makeDisk(ctx, work, image, w); err != nil {
			return nil, err
		}
	}
	fmt.Fprintln(w, "booting a virtual machine")
	m, err := vm.Boot(ctx, vm.Options{Tools: tools, MemoryMB: memoryMB, Disk: image, BuildInit: lab.BuildInit})
	if err != nil {
		return nil, err
	}
	disk := func(name string) string { return vm.DiskFolder + "/" + name }
	p := &place{
		evidence: m.Evidence, booted: true, project: disk(projectFolder), user: user, run: m.RunThere,
		env: []string{
			"HOME=" + disk("home"), "WORK=" + disk("home/work"), "TMPDIR=" + disk("tmp"),
			"PATH=" + disk("go/bin") + ":" + disk("bin") + ":/usr/sbin:/usr/bin:/sbin:/bin",
			"GOMODCACHE=" + disk(modulesFolder), "GOCACHE=" + disk(cacheFolder), "GOPROXY=off",
			"GOTOOLCHAIN=local", "GOFLAGS=-trimpath -buildvcs=false", "CGO_ENABLED=0",
		},
		close: func() { m.Close(); os.RemoveAll(work) },
	}
	// The files on the disk belong to the user who made it. /bin/sh is in no package: Debian
	// makes it when it installs one.
	own := fmt.Sprintf("test -e /bin/sh || ln -s dash /bin/sh; chown -R %d:%d %s", user, user, vm.DiskFolder)
	r, err := m.RunThere(ctx, process.Job{Command: []string{"/bin/dash", "-c", own}, Dir: "/", Deadline: 10 * time.Minute}, false)
	if err == nil && (r.End != process.Exited || r.Code != 0) {
		err = fmt.Errorf("the disk could not be given to the user: %s", strings.TrimSpace(string(r.Output)))
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return p, nil
}

// capture runs a job and returns what it prints to standard output.
func capture(ctx context.Context, j job) (string, error) {
	cmd := exec.CommandContext(ctx, j.command[0], j.command[1:]...)
	cmd.Dir, cmd.Env = j.dir, append(os.Environ(), j.env...)
	out, err := process.Output(cmd)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return "", fmt.Errorf("%s: %w", strings.Join(j.command, " "), err)
	}
	return strings.TrimSpace(out), nil
}
