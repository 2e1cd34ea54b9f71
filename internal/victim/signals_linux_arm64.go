package victim

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// countsSignals says whether signals at the pin are counted.
const countsSignals = true

var errNoRelease error // only other systems cannot put an instruction back

// A sigaction is struct sigaction of the kernel (runtime/defs_linux_arm64.go, sigactiont).
type sigaction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

// maxRefused is how many preemption signals in a row may reach the thread at the pin
// without a preemption. The runtime sends one only after it has asked the thread's
// goroutine to stop. A signal that belongs to another goroutine, which ran on the thread
// before, is possible, but not twice in a row. So a much smaller number would do.
const maxRefused = 100

// What the thread at the pin did with preemption signals, according to countSignal.
var (
	pinned    uint64 // the address of the pin; 0 if nothing is counted
	preempted uint64 // signals that preempted the goroutine at the pin
	refused   uint64 // signals since then that did not
)

// reached reports whether a thread has been seen at the pin.
func (p pin) reached() bool { return p.preempted() || atomic.LoadUint64(&refused) > 0 }

// preempted reports whether a goroutine has been preempted at the pin.
func (p pin) preempted() bool { return atomic.LoadUint64(&preempted) > 0 }

// Values that countSignal needs.
var (
	runtimeHandler uintptr // of SIGURG
	refusedLine    []byte  // what it prints before it ends the process
)

// countSignal handles SIGURG, the runtime's preemption signal. It calls the runtime's
// handler. If the signal came to a thread at the pin, it looks at what the runtime did: a
// preemption sets the thread's pc to asyncPreempt (runtime/signal_unix.go, doSigPreempt).
// After maxRefused signals in a row without a preemption it prints refusedLine and ends
// the process with ExitNotPreemptible. It cannot leave that to Go code, because none may
// run: the runtime may have stopped all goroutines but the pinned one.
func countSignal()

// countSignalAddress returns the address of countSignal for the kernel.
func countSignalAddress() uintptr

// countSignals makes countSignal handle SIGURG, for this pin.
func (p pin) countSignals() error {
	refusedLine = []byte(fmt.Sprintf("%srefused %d\n", LineMark, maxRefused))
	var action sigaction
	if errno := sigurgAction(nil, &action); errno != 0 {
		return fmt.Errorf("sigaction: %w", errno)
	}
	runtimeHandler, action.handler = action.handler, countSignalAddress()
	atomic.StoreUint64(&pinned, p.address)
	if errno := sigurgAction(&action, nil); errno != 0 {
		return fmt.Errorf("sigaction: %w", errno)
	}
	return nil
}

func sigurgAction(set, old *sigaction) syscall.Errno {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGURG),
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), unsafe.Sizeof(set.mask), 0, 0)
	return errno
}

// sendSignals sends a SIGURG to the calling goroutine's thread every millisecond, if
// GODEBUG has asyncpreemptoff=1. The runtime sends none then.
func sendSignals() error {
	if !strings.Contains(os.Getenv("GODEBUG"), "asyncpreemptoff=1") {
		return nil
	}
	runtime.LockOSThread()
	// struct sigevent and struct itimerspec of the kernel.
	event := struct {
		value              uint64
		signal, how, which int32
		_                  [44]byte
	}{signal: int32(syscall.SIGURG), how: 4 /* SIGEV_THREAD_ID */, which: int32(syscall.Gettid())}
	var timer int32
	const monotonic = 1
	if _, _, errno := syscall.RawSyscall(syscall.SYS_TIMER_CREATE, monotonic, uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&timer))); errno != 0 {
		return fmt.Errorf("timer_create: %w", errno)
	}
	every := syscall.Timespec{Nsec: 1e6}
	spec := [2]syscall.Timespec{every, every}
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_TIMER_SETTIME, uintptr(timer), 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("timer_settime: %w", errno)
	}
	return nil
}
