package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"splitadd/internal/hint"
)

// The folders of the disk.
const (
	projectFolder = "home/splitadd"
	modulesFolder = "home/modules"
	cacheFolder   = "home/cache"
)

// releases are the Go releases that the tests use besides the Go in use.
var releases = []string{"go1.23.4", "go1.27.4"}

// A job is a command that is run here.
type job struct {
	what    string
	dir     string
	env     []string // added to the environment
	command []string
}

// diskSize is the size of the disk. Its file has only what is used of it.
const diskSize = "16G"

// makeDisk makes an image of a disk for the virtual machine, from a folder that it fills
// and removes. The disk has the Go in use, built for linux/arm64 from its own source, this
// project, the modules that it needs, and the releases that its tests use. The standard
// library of each Go is in the build cache, because to compile it on an emulator would take
// most of the time. The machine compiles and links everything else.
func makeDisk(ctx context.Context, work, image string, w io.Writer) error {
	mke2fs, err := findMke2fs()
	if err != nil {
		return err
	}
	root := filepath.Join(work, "root")
	defer os.RemoveAll(root)
	in := func(name string) string { return filepath.Join(root, filepath.FromSlash(name)) }
	for _, dir := range []string{"go", "home", "tmp"} {
		if err := os.MkdirAll(in(dir), 0o755); err != nil {
			return err
		}
	}
	goroot, err := capture(ctx, job{dir: ".", command: []string{"go", "env", "GOROOT"}})
	if err != nil {
		return err
	}
	guest := []string{"GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS=-trimpath", "GOCACHE=" + in(cacheFolder)}
	own := append(guest, "GOROOT="+in("go"), "GOTOOLCHAIN=local")
	modules := []string{"GOFLAGS=-modcacherw", "GOMODCACHE=" + in(modulesFolder)}
	jobs := []job{
		{"copying the Go in use", ".", nil, []string{"cp", "-R", goroot + "/.", in("go")}},
		{"copying the project", ".", nil, []string{"git", "clone", "-q", ".", in(projectFolder)}},
		{"building Go for arm64", in("go/src"), own, []string{in("go/bin/go"), "install", "std", "cmd/..."}},
		{"moving it", in("go"), nil, []string{"cp", "bin/linux_arm64/go", "bin/linux_arm64/gofmt", "bin"}},
		{"fetching modules", in(projectFolder), modules, []string{"go", "mod", "download"}},
	}
	for _, release := range releases {
		jobs = append(jobs,
			job{"fetching " + release, root, modules, []string{"go", "mod", "download", "golang.org/toolchain@v0.0.1-" + release + ".linux-arm64"}},
			job{"building its standard library", root, append(guest, "GOTOOLCHAIN="+release), []string{"go", "build", "std"}})
	}
	jobs = append(jobs, job{"making the disk", work, nil, []string{mke2fs, "-q", "-t", "ext4", "-O", "^has_journal", "-d", root, image, diskSize}})
	for _, j := range jobs {
		fmt.Fprintln(w, j.what)
		if _, err := capture(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

// findMke2fs returns the program that makes a file system from a folder, which is often in
// a folder that an ordinary user has not in PATH.
func findMke2fs() (string, error) {
	for _, name := range []string{"mke2fs", "/usr/sbin/mke2fs", "/sbin/mke2fs"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", &hint.Error{Err: errors.New("no mke2fs in PATH, /usr/sbin or /sbin"), Hint: "install e2fsprogs"}
}
