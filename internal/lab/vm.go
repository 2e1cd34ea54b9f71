package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"splitadd/internal/lab/agent"
	"splitadd/internal/lab/process"
)

const (
	bootTime    = time.Minute // a busy machine's; an idle one takes some seconds
	answerTime  = 30 * time.Second
	MachineMB   = 2048 // of memory
	maxCPUs     = 8
	maxConsole  = 4 << 10 // of the console's end that is kept, bytes
	maxCore     = 4 << 30 // of a core file, bytes
	guestFolder = "/tmp/guest"
	coreFolder  = "/tmp/core"
)

// A machine is a booted virtual machine whose only process is an agent of ours.
type machine struct {
	qemu     qemu
	port     net.Conn // to the agent
	conn     *agent.Conn
	monitor  net.Conn // to QEMU
	answers  *json.Decoder
	console  tail
	kill     func()
	ended    chan struct{} // closed when QEMU has
	patience time.Duration // with an answer, beyond what was asked for may take

	mu     sync.Mutex // one exchange with the agent, or one run, at a time
	single bool       // one instruction at a time
	files  []string   // names of guests it has, the latest last
}

// bootEngine boots a virtual machine and makes it an engine.
func bootEngine(ctx context.Context, c Choice) (*Engine, error) {
	q, err := findQEMU(ctx, c.Emulator, []string{"qemu-system-aarch64"}, installVM)
	if err != nil {
		return nil, err
	}
	k, err := findKernel(ctx, c.Kernel)
	if err != nil {
		return nil, err
	}
	initramfs, err := k.initramfs(ctx, c.Tools)
	if err != nil {
		return nil, err
	}
	m := &machine{qemu: q, patience: answerTime, ended: make(chan struct{})}
	accelerator, cpu := "tcg", "cortex-a72"
	if kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0); err == nil && runtime.GOARCH == "arm64" {
		kvm.Close()
		accelerator, cpu = "kvm", "host"
	}
	inside, err := m.boot(ctx, k.image, initramfs, accelerator, cpu)
	if err != nil {
		return nil, err
	}
	evidence := fmt.Sprintf("qemu-system-aarch64 %s, %s, cpu %s, %s, on %s/%s, %s",
		q.version, strings.ToUpper(accelerator), cpu, inside, runtime.GOOS, runtime.GOARCH, process.Machine())
	if accelerator == "tcg" {
		evidence = "emulated: " + evidence
	}
	return &Engine{Name: "vm", Target: Target{"linux", "arm64"}, Evidence: evidence, machine: m}, nil
}

// boot starts QEMU without a disk, a network or any file of its own, and waits
// for the agent to answer with what machine that is. It talks to both through sockets that QEMU inherits.
func (m *machine) boot(ctx context.Context, kernel, initramfs, accelerator, cpu string) (inside string, err error) {
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
	m.port, m.monitor, m.answers = port, monitor, json.NewDecoder(monitor)
	cmd := exec.Command(m.qemu.path,
		"-M", "virt,gic-version=max", "-accel", accelerator, "-cpu", cpu, "-smp", fmt.Sprint(min(runtime.NumCPU(), maxCPUs)),
		"-m", fmt.Sprint(MachineMB), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", kernel, "-initrd", initramfs, "-append", "console=ttyAMA0 quiet panic=-1 nokaslr",
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
		"-chardev", "socket,id=port,fd=3", "-device", "virtio-serial-device", "-device", "virtserialport,chardev=port",
		"-chardev", "socket,id=monitor,fd=4", "-mon", "chardev=monitor,mode=control")
	cmd.ExtraFiles = []*os.File{portEnd, monitorEnd}
	cmd.Stdout, cmd.Stderr = &m.console, &m.console
	process.InGroup(cmd)
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
	m.conn = agent.NewConn(m.port)
	stop := context.AfterFunc(ctx, m.kill)
	defer stop()
	_ = m.port.SetDeadline(time.Now().Add(bootTime))
	var ready agent.Response
	err = m.conn.Send(agent.Request{Op: agent.Hello}, nil, 0)
	if err == nil {
		err = m.conn.Receive(&ready)
	}
	if err == nil {
		err = m.command("qmp_capabilities", map[string]any{})
	}
	if err == nil {
		return ready.Machine, nil
	}
	m.close()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return "", &Error{fmt.Errorf("virtual machine: no answer after its start: %w; %s", err, m.console.last()), "does this QEMU boot other arm64 kernels? -kernel names another one"}
}

// close ends the machine and waits until it has.
func (m *machine) close() {
	select {
	case <-m.ended: // already
	default:
		m.kill()
		<-m.ended
	}
	m.port.Close()
	m.monitor.Close()
}

// command has QEMU carry out a command of its monitor (QMP).
func (m *machine) command(name string, arguments map[string]any) error {
	_ = m.monitor.SetDeadline(time.Now().Add(m.patience))
	if err := json.NewEncoder(m.monitor).Encode(map[string]any{"execute": name, "arguments": arguments}); err != nil {
		return err
	}
	for { // greetings and events come first
		var answer struct {
			Return any
			Error  *struct{ Desc string }
		}
		if err := m.answers.Decode(&answer); err != nil {
			return err
		}
		switch {
		case answer.Error != nil:
			return fmt.Errorf("QEMU's monitor: %s: %s", name, answer.Error.Desc)
		case answer.Return != nil:
			return nil
		}
	}
}

// ask has the agent carry out a request that has no payload.
func (m *machine) ask(request agent.Request) (response agent.Response, err error) {
	return m.exchange(request, nil, 0, io.Discard)
}

// exchange sends a request with its payload, and receives the answer and its
// payload. Beyond the time the work may take, there is the machine's patience. An error that is not the agent's leaves the machine of no use.
func (m *machine) exchange(request agent.Request, payload io.Reader, within time.Duration, to io.Writer) (response agent.Response, err error) {
	_ = m.port.SetDeadline(time.Now().Add(within + m.patience))
	if request.Op == agent.Put {
		err = m.conn.Send(request, payload, request.Size)
	} else {
		err = m.conn.Send(request, nil, 0)
	}
	if err == nil {
		err = m.conn.Receive(&response)
	}
	if limit := max(request.Size, process.MaxOutput); err == nil && response.Size > limit {
		err = fmt.Errorf("an answer of %d bytes: want at most %d", response.Size, limit)
	}
	if err == nil && response.Size > 0 {
		_, err = io.CopyN(to, m.conn.Payload(response.Size), response.Size)
	}
	if err != nil {
		return response, fmt.Errorf("virtual machine: %w; %s", err, m.console.last())
	}
	if response.Error != "" {
		return response, errors.New("in the virtual machine: " + response.Error)
	}
	return response, nil
}

// run runs a guest in the machine.
func (m *machine) run(ctx context.Context, job Job) (result process.Result, err error) {
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
	name, err := m.put(job.Path)
	if err != nil {
		return result, err
	}
	if err := m.singly(job.Raced); err != nil {
		return result, err
	}
	var output bytes.Buffer
	answer, err := m.exchange(agent.Request{Op: agent.Run, Job: process.Job{
		Line: append(append(append([]string(nil), job.Under...), name), job.Args...), Dir: guestFolder,
		Env: job.Env, Core: job.Core, Deadline: job.Deadline, Stall: job.Stall, AsItIs: job.AsItIs,
	}}, nil, job.Deadline, &output)
	result = answer.Result
	result.Output = output.Bytes()
	return result, err
}

// singly has QEMU look for interrupts after every instruction, or not.
func (m *machine) singly(on bool) error {
	if m.single == on {
		return nil
	}
	m.single = on
	word := map[bool]string{true: " on", false: " off"}[on]
	return m.command("human-monitor-command", map[string]any{"command-line": m.qemu.oneByOne() + word})
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-maxConsole):]
	return len(p), nil
}

// last returns the last lines, as one: those of a kernel's panic, or the eight
// at the end.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(strings.ReplaceAll(string(t.text), "\r", ""))
	if text == "" {
		return "its console is empty"
	}
	const most = 8
	lines := strings.Split(text, "\n")
	from := max(0, len(lines)-most)
	for i, line := range lines {
		if strings.Contains(line, "Kernel panic") {
			from = i
		}
	}
	return "its console ends: " + strings.Join(lines[from:min(from+most, len(lines))], " | ")
}
