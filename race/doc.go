// Package race is the test suite that decides whether the Go that runs it has
// windows in which the garbage collector kills the process:
//
//	go test ./race -run SplitADD
package race
