package triage

import (
	"fmt"
	"strconv"
	"strings"

	"splitadd/internal/window"
)

// foreign is said of a crash with the same text on amd64 and the like.
const foreign = "another architecture, which pops a frame in one instruction"

// neighbours are the defects that are easily taken for this one, as golang/go
// reports them.
var neighbours = map[string]Neighbour{
	"growing":  {[]int{62326}, "the stack of a goroutine that was growing it, which no preemption interrupts: assembly that moves the stack pointer behind the unwinder's back"},
	"debugger": {[]int{71144}, "a call that a debugger injected"},
	"unwinder": {[]int{64030, 66151}, foreign},
	"text":     {[]int{62326, 71144, 81959}, foreign},
	"tracer":   {[]int{75478}, foreign},
	"order":    {[]int{63830}, "a leaf function that pops its frame before it restores the frame pointer, as go1.21.0 to go1.21.6 build it: of every frame size"},
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
	elsewhere := l.facts.Arch != "" && l.facts.Arch != "arm64"
	tracer := l.class() == window.FP
	_, stack, _ := strings.Cut(l.text, "runtime stack:\n")
	stack, _, _ = strings.Cut(stack, "\n\n")
	switch {
	case strings.Contains(stack, "\nruntime.copystack(") && strings.Contains(stack, "\nruntime.newstack("):
		name = "growing"
	case elsewhere && tracer:
		name = "tracer"
	case elsewhere && strings.Contains(l.text, "did not unwind completely"):
		name = "text"
	case elsewhere:
		name = "unwinder"
	case strings.Contains(l.text, "\nruntime.debugCall"):
		name = "debugger"
	case tracer && early(l.facts.Go):
		name = "order"
	default:
		return nil
	}
	n := neighbours[name]
	return &n
}

// early reports whether a release has golang/go#63830: go1.21.0 to go1.21.6, by
// what they build.
func early(release string) bool {
	patch, ok := strings.CutPrefix(release, "go1.21")
	n, err := strconv.Atoi(strings.TrimPrefix(patch, "."))
	return ok && (patch == "" || err == nil && n < 7)
}
