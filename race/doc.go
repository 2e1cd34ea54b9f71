// Package race is the test suite. It decides whether the Go that runs it compiles code
// with windows, and proves it by crashes:
//
//	go test ./race -run SplitADD
//
// The finder says where the code has windows. A pinned run makes a goroutine wait in one
// window until it is preempted there. A stress run leaves the unmodified code to run.
// docs/check.md explains more, under "Words" and "How it decides".
//
// The suite fails if the finder, the pinned runs and the stress runs do not agree, or if
// a run measured nothing. What else it needs to pass depends on the flags, and on whether
// testdata/verdicts.txt has a verdict on this Go. It passes if
//
//	flags           a verdict is recorded                  none is recorded
//	(none)          the verdict is the recorded one        always; the verdict is reported
//	-args -strict   it is, and there are no windows        there are no windows
//	-args -update   always; the verdict is recorded anew   always; the verdict is recorded
//
// CI runs it without flags, for releases. -strict is for a regression test in Go itself
// and for a toolchain under development: any kind of window fails.
package race
