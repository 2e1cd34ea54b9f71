package victim

import (
	"fmt"
	"runtime"
	"syscall"
	"unsafe"
)

// schedIdle is SCHED_IDLE of linux/sched.h.
const schedIdle = 5

// polite ties the calling goroutine to its thread, and has every other thread
// go before that one. A thread of the collector that wakes up takes the CPU from
// the victim then, at whatever instruction it is, and asks it to preempt itself
// while it cannot see that it was asked.
func polite() error {
	runtime.LockOSThread()
	var parameter int32
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETSCHEDULER, 0, schedIdle, uintptr(unsafe.Pointer(&parameter)))
	if errno != 0 {
		return fmt.Errorf("sched_setscheduler(SCHED_IDLE): %w", errno)
	}
	return nil
}
