package vm

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"

	"splitadd/internal/lab/vm/agent"
)

// maxGuests bounds the guests that a machine keeps in its memory.
const maxGuests = 8

// put copies a file into the machine, unless one with the same contents is there, and
// returns its name in the machine.
func (m *Machine) put(file string) (string, error) {
	in, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer in.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, in)
	if err != nil {
		return "", err
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	name := path.Join(guestFolder, fmt.Sprintf("%x", hash.Sum(nil)[:12]))
	if at := slices.Index(m.files, name); at >= 0 {
		m.files = append(slices.Delete(m.files, at, at+1), name)
		return name, nil
	}
	if err := m.setOneByOne(false); err != nil { // a copy is as good, and much faster
		return "", err
	}
	if len(m.files) == maxGuests {
		if _, err := m.request(agent.Request{Op: agent.OpRemove, Path: m.files[0]}); err != nil {
			return "", err
		}
		m.files = m.files[1:]
	}
	if _, err := m.exchange(agent.Request{Op: agent.OpPut, Path: name, Size: size}, in, 0, io.Discard); err != nil {
		return "", err
	}
	m.files = append(m.files, name)
	return name, nil
}

// Cores moves the core files that guests left into a folder, and returns their paths.
func (m *Machine) Cores(dir string) (files []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	answer, err := m.request(agent.Request{Op: agent.OpList, Path: coreFolder})
	if err != nil {
		return nil, err
	}
	for _, name := range answer.Names {
		there := path.Join(coreFolder, name)
		here := filepath.Join(dir, filepath.Base(name))
		if err := m.fetch(there, here); err != nil {
			return files, err
		}
		files = append(files, here)
		if _, err := m.request(agent.Request{Op: agent.OpRemove, Path: there}); err != nil {
			return files, err
		}
	}
	return files, nil
}

func (m *Machine) fetch(there, here string) (err error) {
	out, err := os.OpenFile(here, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = m.exchange(agent.Request{Op: agent.OpGet, Path: there, Size: maxCore}, nil, bootTime, out)
	if closing := out.Close(); err == nil {
		err = closing
	}
	if err != nil {
		os.Remove(here)
	}
	return err
}
