package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"splitadd/internal/lab/process"
)

// A step is one command that is run on arm64.
type step struct {
	what    string
	command string   // for sh, in the root of the project; $WORK is a folder for its files
	wanted  []int    // the exit statuses that are as they should be; none is 0
	needs   []string // the steps whose files it uses
	// oneByOne says that a signal must be able to land on any instruction. An emulator
	// takes signals only between blocks of instructions, and a window is in a block.
	oneByOne bool
}

// notThere are the tests that cannot run in a machine without an emulator, a C compiler and
// a network, each with the reason.
var notThere = []struct{ tests, why string }{}

// steps are run in this order.
var steps = []step{
	{what: "the Go in use", command: "go version"},
	{what: "build of the command", command: "go build -o $WORK/splitadd ./cmd/splitadd"},
	{what: "check of the Go in use", command: "$WORK/splitadd check local", wanted: []int{0, 3}, needs: []string{"build of the command"}},
	{what: "the suite", command: "go test ./race -run SplitADD -count 1 -v -timeout 2h"},
	{what: "a program that crashes", command: "$WORK/splitadd repro >$WORK/main.go && go build -o $WORK/program $WORK/main.go", needs: []string{"build of the command"}},
	{what: "scan", command: "$WORK/splitadd scan $WORK/program", wanted: []int{3}, needs: []string{"a program that crashes"}},
	{what: "the crash", command: "cd $WORK && ulimit -c unlimited && GOTRACEBACK=crash timeout 1200 ./program >log 2>&1; status=$?; tail -n 3 log; exit $status", wanted: []int{2, 134, 139}, needs: []string{"a program that crashes"}, oneByOne: true},
	{what: "triage of its log", command: "$WORK/splitadd triage -binary $WORK/program $WORK/log", wanted: []int{3}, needs: []string{"the crash"}},
	{what: "triage of its core file", command: `$WORK/splitadd triage -binary $WORK/program "$(ls /tmp/core/core.* $WORK/core* 2>/dev/null | head -n 1)"`, wanted: []int{3}, needs: []string{"the crash"}},
	{what: "repair", command: "$WORK/splitadd repair -o $WORK/repaired $WORK/program && $WORK/splitadd scan $WORK/repaired", needs: []string{"a program that crashes"}},
	{what: "the repaired program for a minute", command: "timeout 60 $WORK/repaired", wanted: []int{124}, needs: []string{"repair"}},
	{what: "the packages' tests", command: "go test -short -count 1 -v -timeout 2h -skip '" + skipped() + "' ./internal/..."},
}

// skipped returns the pattern of the tests that are not run.
func skipped() string {
	var all []string
	for _, n := range notThere {
		all = append(all, n.tests)
	}
	return strings.Join(all, "|")
}

// stepTime bounds a step. The longest takes a quarter of it on an emulator.
const stepTime = 2 * time.Hour

// choose returns the steps whose description has a word, and those that they need.
func choose(word string) (chosen []step) {
	wanted := map[string]bool{}
	for _, s := range slices.Backward(steps) {
		if strings.Contains(s.what, word) || wanted[s.what] {
			chosen = append(chosen, s)
			for _, need := range s.needs {
				wanted[need] = true
			}
		}
	}
	slices.Reverse(chosen)
	return chosen
}

// A result is how a step ended.
type result struct {
	step
	process.Result
}

// asWanted reports whether the step ended as it should.
func (r result) asWanted() bool {
	if len(r.wanted) == 0 {
		return r.End == process.Exited && r.Code == 0
	}
	return r.End == process.Exited && slices.Contains(r.wanted, r.Code)
}

// end says how the step ended.
func (r result) end() string {
	switch {
	case r.End != process.Exited:
		return fmt.Sprintf("ended by its %s", r.End)
	case r.Signal != "":
		return "signal: " + r.Signal
	}
	return fmt.Sprintf("exit status %d", r.Code)
}

// ended matches the line of a test's end in the output of go test -v.
var ended = regexp.MustCompile(`(?m)^ *--- (PASS|FAIL|SKIP): `)

// tests counts the tests in the output of go test -v, subtests included. It returns "" if
// there are none.
func (r result) tests() string {
	count := map[string]int{}
	for _, m := range ended.FindAllSubmatch(r.Output, -1) {
		count[string(m[1])]++
	}
	if len(count) == 0 {
		return ""
	}
	return fmt.Sprintf("%d passed, %d failed, %d skipped", count["PASS"], count["FAIL"], count["SKIP"])
}

// runSteps runs steps one after the other, and says on w how each ended. It calls save with
// the results after each. An error means that the machine failed, or the error of save.
func runSteps(ctx context.Context, steps []step, p *place, w io.Writer, save func([]result) error) (results []result, err error) {
	for i, s := range steps {
		fmt.Fprintf(w, "%d of %d: %s: ", i+1, len(steps), s.what)
		ran, err := p.run(ctx, process.Job{
			Command: []string{"sh", "-c", s.command}, Dir: p.project, Env: p.env, User: p.user, UserProgram: true, Deadline: stepTime,
		}, s.oneByOne)
		if err != nil {
			fmt.Fprintln(w, "failed")
			return results, fmt.Errorf("%s: %w", s.what, err)
		}
		r := result{s, ran}
		fmt.Fprintf(w, "%s, %.1f s  %s\n", r.end(), r.Seconds, r.tests())
		results = append(results, r)
		if err := save(results); err != nil {
			return results, err
		}
	}
	return results, nil
}
