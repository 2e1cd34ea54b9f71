package triage

import (
	"fmt"
	"strings"
)

// neighbours are the defects that are easily taken for this one, as golang/go
// reports them.
var neighbours = map[string]Neighbour{
	"growing":  {[]int{62326}, "the stack of a goroutine that was growing it, which no preemption interrupts: assembly that moves the stack pointer behind the unwinder's back"},
	"debugger": {[]int{71144}, "a call that a debugger injected"},
	"unwinder": {[]int{64030, 66151}, "the same fault in the unwinder on an architecture that pops a frame in one instruction"},
	"text":     {[]int{62326, 71144, 81959}, "the same text on an architecture that pops a frame in one instruction"},
	"tracer":   {[]int{75478}, "a fault of the tracer's on an architecture that pops a frame in one instruction"},
	"order":    {[]int{63830}, "a leaf function that pops its frame before it restores the frame pointer, as releases before go1.21.4 build it: of every frame size"},
	"partial":  {[]int{73664}, "a fault of the block and mutex profilers', while a panic is recovered"},
	"stuck":    {[]int{62086, 80771}, "traceback stuck: a frame without unwind information, or of size 0"},
}

func (n Neighbour) where() string {
	var issues []string
	for _, i := range n.Issues {
		issues = append(issues, fmt.Sprintf("golang/go#%d", i))
	}
	return "see " + strings.Join(issues, ", ")
}

// neighbour returns the defect that a death of the unwinder's is, if it is a
// known one and not this.
func (l *reader) neighbour() *Neighbour {
	name := ""
	foreign := l.facts.Arch != "" && l.facts.Arch != "arm64"
	tracer := strings.Contains(l.text, "runtime.fpTracebackPCs(")
	stack := l.text
	if i := strings.Index(stack, "\n\n"); i >= 0 && strings.Contains(stack, "runtime stack:\n") {
		stack = stack[strings.Index(stack, "runtime stack:\n"):]
	}
	stack, _, _ = strings.Cut(stack, "\n\n")
	switch {
	case strings.Contains(l.text, "\nruntime.debugCall") || strings.Contains(l.text, "\nruntime.debugCallV"):
		name = "debugger"
	case strings.Contains(stack, "\nruntime.copystack(") && strings.Contains(stack, "\nruntime.newstack("):
		name = "growing"
	case foreign && tracer:
		name = "tracer"
	case foreign && strings.Contains(l.text, "did not unwind completely"):
		name = "text"
	case foreign:
		name = "unwinder"
	case tracer && early(l.facts.Go):
		name = "order"
	default:
		return nil
	}
	n := neighbours[name]
	return &n
}

// early reports whether a release may have golang/go#63830: the first three of
// go1.21.
func early(release string) bool {
	switch release {
	case "go1.21", "go1.21.0", "go1.21.1", "go1.21.2", "go1.21.3":
		return true
	}
	return false
}
