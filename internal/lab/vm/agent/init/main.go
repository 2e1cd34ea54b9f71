//go:build linux

// Init is the first and only process of a virtual machine. It mounts the file systems
// that programs expect, loads the drivers that came with it, and carries out the host's
// requests until the host closes the port.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"splitadd/internal/lab/vm/agent"
)

func main() {
	err := run()
	fmt.Println("splitadd init:", err) // to the console
	syscall.Sync()
	_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

func run() error {
	for _, m := range []struct{ kind, dir, options string }{
		{"proc", "/proc", ""},
		{"sysfs", "/sys", ""},
		{"devtmpfs", "/dev", ""},
		{"tmpfs", "/tmp", "mode=1777,size=75%"},
	} {
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount(m.kind, m.dir, m.kind, 0, m.options); err != nil && !errors.Is(err, syscall.EBUSY) {
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	if err := loadModules("/modules"); err != nil {
		return err
	}
	if dir := os.Getenv("disk"); dir != "" { // from the kernel's command line
		if err := mountDisk(dir); err != nil {
			return err
		}
	}
	// Core files go to the folder in which the host looks for them. The other
	// settings are those of most servers.
	for file, value := range map[string]string{
		"/proc/sys/kernel/core_pattern":        "/tmp/core/core.%p",
		"/proc/sys/kernel/perf_event_paranoid": "-1",
	} {
		if err := os.WriteFile(file, []byte(value), 0); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	for _, dir := range []string{"/tmp/core", "/tmp/guest"} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
		if err := os.Chmod(dir, 0o777); err != nil { // whatever the umask is
			return err
		}
	}
	if err := os.Setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"); err != nil {
		return err
	}
	port, err := openPort()
	if err != nil {
		return err
	}
	return agent.Serve(&waitingReader{File: port, since: time.Now()})
}

// mountDisk mounts the only virtio disk there is, which has an ext4 file system.
func mountDisk(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount("/dev/vda", dir, "ext4", 0, ""); err != nil {
		return fmt.Errorf("mount the disk at %s: %w", dir, err)
	}
	return nil
}

// portTime is how long init waits for the host, which gives up first.
const portTime = 15 * time.Minute

// A waitingReader waits for its host: a port of which the driver does not know
// yet that its other end is open reads as if that were closed
// (drivers/char/virtio_console.c, port_fops_read).
type waitingReader struct {
	*os.File
	since time.Time
	spoke bool
}

func (p *waitingReader) Read(b []byte) (int, error) {
	for {
		n, err := p.File.Read(b)
		p.spoke = p.spoke || n > 0
		if err == nil || p.spoke || !errors.Is(err, io.EOF) || time.Since(p.since) > portTime {
			return n, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// finitModule is the number of that system call on arm64 (asm-generic/unistd.h).
const finitModule = 273

// loadModules loads the modules in a folder, in the order of their names, and
// frees their memory.
func loadModules(dir string) error {
	names, err := filepath.Glob(dir + "/*")
	if err != nil {
		return err
	}
	sort.Strings(names)
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		const compressed = 4 // MODULE_INIT_COMPRESSED_FILE of linux/module.h
		var flags uintptr
		if !strings.HasSuffix(name, ".ko") {
			flags = compressed
		}
		none := new(byte) // its parameters, which end with a zero
		_, _, errno := syscall.Syscall(finitModule, file.Fd(), uintptr(unsafe.Pointer(none)), flags)
		if errno != 0 && errno != syscall.EEXIST {
			return fmt.Errorf("module %s: %w", filepath.Base(name), errno)
		}
		file.Close()
		os.Remove(name)
	}
	return nil
}

// openPort opens the only virtio port there is, which comes up after its driver
// is loaded.
func openPort() (*os.File, error) {
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		names, err := filepath.Glob("/dev/vport*")
		if err != nil {
			return nil, err
		}
		err = errors.New("no virtio port")
		if len(names) > 0 {
			var port *os.File
			if port, err = os.OpenFile(names[0], os.O_RDWR, 0); err == nil {
				return port, nil
			}
		}
		if time.Since(begin) > portTime {
			return nil, err
		}
	}
}
