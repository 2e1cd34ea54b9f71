package process

import (
	"math"
	"syscall"
	"unsafe"
)

func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// limit bounds the memory of a process, and says whether it may leave a core file. It
// does nothing if the process has already ended.
func limit(pid int, core bool) {
	var most uint64
	if core {
		most = math.MaxUint64 // RLIM_INFINITY
	}
	prlimit(pid, syscall.RLIMIT_CORE, most)
	prlimit(pid, syscall.RLIMIT_DATA, maxMemory)
}

func prlimit(pid, resource int, to uint64) {
	limit := syscall.Rlimit{Cur: to, Max: to}
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), uintptr(resource), uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
}
