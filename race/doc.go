// Package race is the test suite. Run with some Go, it decides whether that Go
// compiles code with windows, and proves it by crashes:
//
//	go test ./race -run SplitADD
package race
