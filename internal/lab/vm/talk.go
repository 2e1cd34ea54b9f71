package vm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"splitadd/internal/lab/process"
	"splitadd/internal/lab/vm/agent"
)

// handshake waits until the agent and the monitor have answered, and returns the agent's
// description of its machine.
func (m *Machine) handshake() (inside string, err error) {
	_ = m.port.SetDeadline(time.Now().Add(bootTime))
	if err := m.conn.Send(agent.Request{Op: agent.OpHello}, nil, 0); err != nil {
		return "", err
	}
	var ready agent.Response
	if err := m.conn.Receive(&ready); err != nil {
		return "", err
	}
	return ready.Machine, m.monitorCommand("qmp_capabilities", map[string]any{})
}

// monitorCommand makes QEMU carry out a command of its monitor (QMP).
func (m *Machine) monitorCommand(name string, arguments map[string]any) error {
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

// request makes the agent carry out a request that has no payload.
func (m *Machine) request(request agent.Request) (response agent.Response, err error) {
	return m.exchange(request, nil, 0, io.Discard)
}

// exchange sends a request with its payload, and receives the answer and its payload. It
// waits for the answer for the time that the work may take plus the machine's patience.
// After an error other than the agent's, the machine cannot be used any more.
func (m *Machine) exchange(request agent.Request, payload io.Reader, within time.Duration, to io.Writer) (response agent.Response, err error) {
	_ = m.port.SetDeadline(time.Now().Add(within + m.patience))
	if request.Op == agent.OpPut {
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
		return response, fmt.Errorf("virtual machine: %w; %s", err, m.lastLines())
	}
	if response.Error != "" {
		return response, errors.New("in the virtual machine: " + response.Error)
	}
	return response, nil
}

// setOneByOne sets whether QEMU looks for interrupts after every instruction.
func (m *Machine) setOneByOne(on bool) error {
	if m.oneByOne == on {
		return nil
	}
	m.oneByOne = on
	word := map[bool]string{true: " on", false: " off"}[on]
	return m.monitorCommand("human-monitor-command", map[string]any{"command-line": m.emulator.OneByOne() + word})
}

// lastLines returns the last lines of the console, joined to one: those of a kernel
// panic, or else the last eight.
func (m *Machine) lastLines() string {
	text := strings.TrimSpace(strings.ReplaceAll(m.console.String(), "\r", ""))
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
