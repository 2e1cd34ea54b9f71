package victim

import (
	"fmt"
	"runtime"
	"syscall"
	"unsafe"
)

// schedIdle is SCHED_IDLE of linux/sched.h.
const schedIdle = 5

// polite locks the calling goroutine to its thread, and lets every other thread run
// before that one. When a thread of the collector wakes up, it then takes the CPU from the
// victim at any instruction. It requests the victim's preemption while the victim does not
// run, so the victim cannot see the request in a prologue and yield there.
func polite() error {
	runtime.LockOSThread()
	var parameter int32
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETSCHEDULER, 0, schedIdle, uintptr(unsafe.Pointer(&parameter)))
	if errno != 0 {
		return fmt.Errorf("sched_setscheduler(SCHED_IDLE): %w", errno)
	}
	return nil
}
