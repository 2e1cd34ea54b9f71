// Package vm boots virtual machines for arm64 and runs guests in them.
//
// QEMU boots Debian's kernel with an initramfs that holds its virtio drivers and one
// static program, the agent, which is the machine's only process. The host asks it to
// write and read files and to run jobs.
package vm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"splitadd/internal/hint"
	"splitadd/internal/lab/process"
	"splitadd/internal/lab/qemu"
	"splitadd/internal/lab/vm/agent"
)

const (
	// MemoryMB is the usual memory of a machine in MiB.
	MemoryMB = 2048
	// DiskFolder is where a machine has its disk.
	DiskFolder = "/disk"

	bootTime    = 10 * time.Minute // of the slowest machine
	usualBoot   = 5 * time.Second  // of an idle machine
	answerTime  = time.Minute      // of a machine that boots in usualBoot
	maxCPUs     = 8
	maxCore     = 4 << 30 // of a core file, bytes
	guestFolder = "/tmp/guest"
	coreFolder  = "/tmp/core"
	install     = "install QEMU's system emulator: apt-get install qemu-system-arm on Debian and Ubuntu"
)

// Options say what to boot.
type Options struct {
	// Emulator is the QEMU to use; "" is the one in PATH.
	Emulator string
	// Kernel is the folder in which a package of a Linux kernel for arm64 is
	// unpacked, with its boot/vmlinuz-* and lib/modules. "" is Debian's cloud
	// kernel, which is fetched once.
	Kernel string
	// Tools are Debian packages that the machine has, with their dependencies.
	Tools []string
	// MemoryMB is the machine's memory in MiB; 0 is the usual one.
	MemoryMB int
	// Disk is an image of an ext4 file system, which the machine mounts at DiskFolder
	// and writes to. "" means none.
	Disk string
	// BuildInit builds the program in agent/init for linux/arm64 to a file.
	BuildInit func(ctx context.Context, out string) error
}

// A Machine is a booted virtual machine whose only process is the agent.
type Machine struct {
	Evidence string // what it is, exactly, for the record: emulated figures say so

	emulator qemu.Emulator
	port     *os.File // to the agent
	conn     *agent.Conn
	monitor  *os.File // to QEMU
	answers  *json.Decoder
	console  process.Tail
	kill     func()
	ended    chan struct{} // closed when QEMU has
	patience time.Duration // for an answer, in addition to the time for the work

	mu       sync.Mutex // one exchange with the agent, or one run, at a time
	oneByOne bool       // one instruction at a time
	files    []string   // names of guests it has, the latest last
}

// Boot boots a virtual machine. The caller has to close it.
func Boot(ctx context.Context, o Options) (*Machine, error) {
	emulator, err := qemu.Find(ctx, o.Emulator, []string{"qemu-system-aarch64"}, install)
	if err != nil {
		return nil, err
	}
	k, err := findKernel(ctx, o.Kernel)
	if err != nil {
		return nil, err
	}
	initramfs, err := k.initramfs(ctx, o.BuildInit, o.Tools)
	if err != nil {
		return nil, err
	}
	m := &Machine{emulator: emulator, patience: bootTime, ended: make(chan struct{})}
	accelerator, cpu := "tcg", "cortex-a72"
	if kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0); err == nil && runtime.GOARCH == "arm64" {
		kvm.Close()
		accelerator, cpu = "kvm", "host"
	}
	begin := time.Now()
	inside, err := m.start(ctx, m.command(k.image, initramfs, accelerator, cpu, o))
	if err != nil {
		return nil, err
	}
	m.patience = time.Duration(float64(answerTime) * max(1, time.Since(begin).Seconds()/usualBoot.Seconds()))
	m.Evidence = fmt.Sprintf("qemu-system-aarch64 %s, %s, cpu %s, %s, on %s/%s, %s",
		emulator.Version, strings.ToUpper(accelerator), cpu, inside, runtime.GOOS, runtime.GOARCH, process.Machine())
	if accelerator == "tcg" {
		m.Evidence = "emulated: " + m.Evidence
	}
	return m, nil
}

// command returns the command that starts QEMU without a network, and without a disk if o
// does not name one. QEMU inherits the sockets of the port and the monitor as descriptors 3
// and 4.
func (m *Machine) command(kernel, initramfs, accelerator, cpu string, o Options) *exec.Cmd {
	memory, kernelLine := MemoryMB, "console=ttyAMA0 quiet panic=-1 nokaslr"
	if o.MemoryMB > 0 {
		memory = o.MemoryMB
	}
	var disk []string
	if o.Disk != "" {
		kernelLine += " disk=" + DiskFolder // which init finds in its environment
		file := strings.ReplaceAll(o.Disk, ",", ",,")
		disk = []string{"-drive", "if=none,id=disk,format=raw,cache=unsafe,file=" + file, "-device", "virtio-blk-device,drive=disk"}
	}
	cmd := exec.Command(m.emulator.Path, append(disk,
		"-M", "virt,gic-version=max", "-accel", accelerator, "-cpu", cpu, "-smp", fmt.Sprint(min(runtime.NumCPU(), maxCPUs)),
		"-m", fmt.Sprint(memory), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", kernel, "-initrd", initramfs, "-append", kernelLine,
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
		"-chardev", "socket,id=port,fd=3", "-device", "virtio-serial-device", "-device", "virtserialport,chardev=port",
		"-chardev", "socket,id=monitor,fd=4", "-mon", "chardev=monitor,mode=control")...)
	cmd.Stdout, cmd.Stderr = &m.console, &m.console
	process.InGroup(cmd)
	return cmd
}

// start starts QEMU and waits until the agent answers with a description of the machine.
func (m *Machine) start(ctx context.Context, cmd *exec.Cmd) (inside string, err error) {
	port, portEnd, err := socketPair()
	if err != nil {
		return "", err
	}
	monitor, monitorEnd, err := socketPair()
	if err != nil {
		port.Close()
		portEnd.Close()
		return "", err
	}
	m.port, m.monitor, m.conn, m.answers = port, monitor, agent.NewConn(port), json.NewDecoder(monitor)
	cmd.ExtraFiles = []*os.File{portEnd, monitorEnd}
	started := make(chan error)
	go func() { // the kernel ties QEMU's life to the thread that started it
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(m.ended)
		}
	}()
	err = <-started
	portEnd.Close() // QEMU's own is the only one: when it ends, so does the stream
	monitorEnd.Close()
	if err != nil {
		m.port.Close()
		m.monitor.Close()
		return "", fmt.Errorf("virtual machine: %w", err)
	}
	m.kill = func() { process.KillGroup(cmd.Process) }
	stop := context.AfterFunc(ctx, m.kill)
	defer stop()
	if inside, err = m.handshake(); err == nil {
		return inside, nil
	}
	m.Close()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return "", &hint.Error{
		Err:  fmt.Errorf("virtual machine: no answer after its start: %w; %s", err, m.lastLines()),
		Hint: "does this QEMU boot other arm64 kernels? -kernel names another one",
	}
}

// Close ends the machine and waits until it has. Closing it again does no harm.
func (m *Machine) Close() {
	select {
	case <-m.ended: // already
	default:
		m.kill()
		<-m.ended
	}
	m.port.Close()
	m.monitor.Close()
}

// Run runs a job in the machine. The job's Line[guest] names a file of the host, which
// is copied into the machine. Other names in the line, and the folder, are those of the
// machine. With oneByOne a signal can land on any instruction. An error means that
// the machine failed. The result says how the guest ended.
func (m *Machine) Run(ctx context.Context, job process.Job, guest int, oneByOne bool) (process.Result, error) {
	return m.run(ctx, job, oneByOne, func(job *process.Job) error {
		name, err := m.put(job.Command[guest])
		if err != nil {
			return err
		}
		job.Command = slices.Clone(job.Command)
		job.Command[guest], job.Dir = name, guestFolder
		return nil
	})
}

// RunThere runs a job whose command is a program that the machine has already. Folders and
// names are those of the machine. With oneByOne a signal can land on any instruction.
func (m *Machine) RunThere(ctx context.Context, job process.Job, oneByOne bool) (process.Result, error) {
	return m.run(ctx, job, oneByOne, func(*process.Job) error { return nil })
}

// run runs a job after prepare has put its files into the machine. It kills the machine if
// the context ends before.
func (m *Machine) run(ctx context.Context, job process.Job, oneByOne bool, prepare func(*process.Job) error) (result process.Result, err error) {
	if job.Deadline <= 0 {
		return result, errors.New("a guest without a deadline")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return result, err
	}
	stop := context.AfterFunc(ctx, m.kill)
	defer stop()
	defer func() {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
	}()
	if err := prepare(&job); err != nil {
		return result, err
	}
	if err := m.setOneByOne(oneByOne); err != nil {
		return result, err
	}
	var output bytes.Buffer
	answer, err := m.exchange(agent.Request{Op: agent.OpRun, Job: job}, nil, job.Deadline, &output)
	result = answer.Result
	result.Output = output.Bytes()
	return result, err
}
