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
// and removes. The disk has the Go in use and the releases that the tests use, each built
// for linux/arm64 from its own source, this project, and the modules that it needs. The
// standard library of each Go is in the build cache, because to compile it on an emulator
// would take most of the time. The machine compiles and links everything else.
func makeDisk(ctx context.Context, work, image string, w io.Writer) error {
	mke2fs, err := findMke2fs()
	if err != nil {
		return err
	}
	root := filepath.Join(work, "root")
	defer os.RemoveAll(root)
	in := func(name string) string { return filepath.Join(root, filepath.FromSlash(name)) }
	for _, dir := range []string{"home/work", "tmp", "bin"} {
		if err := os.MkdirAll(in(dir), 0o755); err != nil {
			return err
		}
	}
	jobs := []job{
		{"copying the project", ".", nil, []string{"git", "clone", "-q", ".", in(projectFolder)}},
		{"fetching its modules", in(projectFolder), []string{"GOFLAGS=-modcacherw", "GOMODCACHE=" + in(modulesFolder)}, []string{"go", "mod", "download"}},
	}
	for _, name := range append([]string{"local"}, releases...) {
		more, err := buildGo(ctx, name, in)
		if err != nil {
			return err
		}
		jobs = append(jobs, more...)
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

// buildGo returns what to run to put a Go for linux/arm64 on the disk. In names its places
// there. A release is then a program in the folder bin, where the go command looks for it.
func buildGo(ctx context.Context, name string, in func(string) string) ([]job, error) {
	what, folder := "the Go in use", "go"
	if name != "local" {
		what, folder = name, name
	}
	goroot, err := capture(ctx, job{dir: in(""), env: []string{"GOTOOLCHAIN=" + name}, command: []string{"go", "env", "GOROOT"}})
	if err != nil {
		return nil, err
	}
	guest := []string{"GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS=-trimpath", "GOROOT=" + in(folder), "GOTOOLCHAIN=local"}
	command := in(folder + "/bin/go")
	jobs := []job{
		{"copying " + what, in(""), nil, []string{"cp", "-R", "--no-preserve=mode", goroot + "/.", in(folder)}},
		{"making its programs executable", in(folder), nil, []string{"chmod", "-R", "+x", "bin", "pkg/tool"}},
		{"building it for arm64", in(folder + "/src"), guest, []string{command, "install", "cmd/..."}},
		{"building its standard library", in(folder + "/src"), append(guest, "GOCACHE="+in(cacheFolder)), []string{command, "build", "std"}},
		{"moving it", in(folder), nil, []string{"cp", "bin/linux_arm64/go", "bin/linux_arm64/gofmt", "bin"}},
	}
	if name != "local" {
		jobs = append(jobs, job{"linking it", in("bin"), nil, []string{"ln", "-s", "../" + name + "/bin/go", name}})
	}
	return jobs, nil
}

// findMke2fs returns the program that makes a file system from a folder. It is often not in
// the PATH of an ordinary user.
func findMke2fs() (string, error) {
	for _, name := range []string{"mke2fs", "/usr/sbin/mke2fs", "/sbin/mke2fs"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", &hint.Error{Err: errors.New("no mke2fs in PATH, /usr/sbin or /sbin"), Hint: "install e2fsprogs"}
}
