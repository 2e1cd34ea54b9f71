// Package race is the test suite. It decides whether the Go that runs it compiles code
// with windows, and proves it by crashes:
//
//	go test ./race -run SplitADD
package race
