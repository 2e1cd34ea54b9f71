// Package race is the test suite. It decides whether the Go that runs it compiles code
// with windows, and proves it by crashes:
//
//	go test ./race -run SplitADD
//
// In every mode the finder, the pinned runs and the stress runs must agree, and a harness
// failure fails. What else PASS means depends on the flags, and on whether
// testdata/verdicts.txt has a verdict on this Go:
//
//	flags           verdict recorded              not recorded
//	(none)          the verdict is the same       reported, does not fail
//	-args -strict   the same, and no windows      no windows
//	-args -update   recorded anew                 recorded
//
// The default is for releases: CI runs it. -strict is for a regression test in Go itself
// and for a toolchain under development: any kind of window fails.
package race
