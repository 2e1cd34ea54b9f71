//go:build unix

package objtest

import (
	"syscall"
	"time"
)

// processorTime returns the CPU time of this process, which does not depend on the load.
func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
