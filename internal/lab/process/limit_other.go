//go:build unix && !linux

package process

import "syscall"

// Only Linux ties a process's life to its parent's, and bounds another
// process's memory.
func dieWithParent(*syscall.SysProcAttr) {}
func limit(int, bool)                    {}
