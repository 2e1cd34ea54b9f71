package victim

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
)

// From linux/membarrier.h.
const (
	sysMembarrier    = 283
	privateSyncCore  = 1 << 5
	registerSyncCore = 1 << 6
)

// branchSelf is the branch to itself that a pin puts in the place of an instruction.
const branchSelf = 0x14000000

var errNoPin = errors.New("neither the pin nor the instruction that it replaced is there")

// release puts the instruction back without letting another goroutine run, and makes every core fetch it. It may be called
// again.
//
// It fails if the system does not let a process write to its own code, or if another
// instruction is at the address.
func (p pin) release() error {
	atomic.StoreUint64(&pinned, 0) // signals there mean nothing from now on
	page := uintptr(p.address) &^ uintptr(os.Getpagesize()-1)
	protect := func(how uintptr) error {
		if _, _, errno := syscall.RawSyscall(syscall.SYS_MPROTECT, page, uintptr(os.Getpagesize()), how); errno != 0 {
			return errno
		}
		return nil
	}
	if err := protect(syscall.PROT_READ | syscall.PROT_WRITE | syscall.PROT_EXEC); err != nil {
		return err
	}
	at := uintptr(p.address)
	if !replaceWord(at, branchSelf, p.word) && !replaceWord(at, p.word, p.word) {
		return errNoPin
	}
	// The core on which the victim waits has to execute an ISB. If the kernel does not
	// have this system call, the core does so when it returns from its next interrupt.
	syscall.RawSyscall(sysMembarrier, registerSyncCore, 0, 0)
	syscall.RawSyscall(sysMembarrier, privateSyncCore, 0, 0)
	return protect(syscall.PROT_READ | syscall.PROT_EXEC)
}

// replaceWord replaces the instruction old with word, and makes word visible to
// instruction fetches (Arm Architecture Reference Manual, B2.7.4.2). It reports false,
// and stores nothing, if another instruction is there.
func replaceWord(address uintptr, old, word uint32) bool
