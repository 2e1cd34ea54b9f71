package crash

import (
	"slices"
	"strings"

	"splitadd/internal/arm64"
	"splitadd/internal/crash/pattern"
	"splitadd/internal/crash/syntax"
)

// Functions of the runtime that matter when a process dies. Every list has the names of
// all releases.
var (
	// spUnwinders walk a stack by the stack pointer, and fpUnwinders by the frame pointer.
	spUnwinders = []string{"runtime.(*unwinder).next", "runtime.(*unwinder).finishInternal", "runtime.(*unwinder).resolveInternal",
		"runtime.(*unwinder).initAt", "runtime.gentraceback"}
	fpUnwinders = []string{"runtime.fpTracebackPCs", "runtime.traceStack", "runtime.traceStackID", "runtime.traceStack.func1"}
	// partialExpanders turn frame pointers into pcs for the profilers.
	partialExpanders = []string{"runtime.fpTracebackPartialExpand"}

	// pcLookups are called by the unwinders to look up a pc. They may fault if they get a
	// word that is not a pc.
	pcLookups = []string{"runtime.findfunc", "runtime.findmoduledatap", "runtime.funcspdelta", "runtime.pcvalue", "runtime.step", "runtime.readvarint",
		"runtime.funcdata", "runtime.pcdatavalue", "runtime.pcdatavalue1", "runtime.funcMaxSPDelta", "runtime.(*moduledata).textAddr",
		"runtime.(*moduledata).textOff", "runtime.funcInfo.valid", "runtime.funcInfo.entry"}

	// deathMachinery is on the stack above the frame in which a process dies.
	deathMachinery = []string{"runtime.throw", "runtime.fatal", "runtime.fatalthrow", "runtime.throw.func1", "runtime.fatal.func1", "runtime.fatalthrow.func1",
		"runtime.sigpanic", "runtime.sigpanic0", "panic", "runtime.gopanic", "runtime.panicmem", "runtime.panicmemAddr", "runtime.systemstack", "runtime.dopanic_m"}

	// memoryCopiers copy or compare memory for their callers.
	memoryCopiers = []string{"runtime.memmove", "runtime.memclrNoHeapPointers", "runtime.memequal", "runtime.memequal_varlen", "runtime.cmpstring"}

	// stackWalkers call the unwinders.
	stackWalkers = []string{"runtime.scanstack", "runtime.scanframeworker", "runtime.copystack", "runtime.adjustframe", "runtime.tracebackPCs", "runtime.traceback",
		"runtime.traceback1", "runtime.traceback2", "runtime.tracebackothers", "runtime.callers", "runtime.shrinkstack", "runtime.scanConservative",
		"runtime.Stack", "runtime.Stack.func1", "runtime.saveg", "runtime.doRecordGoroutineProfile", "runtime.goroutineProfileWithLabels"}
)

// dyingStack returns the frames of the stack on which the process died, beginning with the
// frame in which it died.
func (f *Facts) dyingStack() []Frame {
	if len(f.Frames) == 0 {
		return nil
	}
	n := 0
	for n < len(f.Frames) && f.Frames[n].Stack == f.Frames[0].Stack {
		n++
	}
	stack := f.Frames[:n]
	for len(stack) > 0 && slices.Contains(deathMachinery, stack[0].Func) {
		stack = stack[1:]
	}
	return stack
}

// DyingFrame returns the frame in which the process died. If that was copying memory, it
// returns the caller's frame. If the log does not show a frame, it returns nil.
func (f *Facts) DyingFrame() *Frame {
	for i := range f.Frames {
		if function := f.Frames[i].Func; !slices.Contains(deathMachinery, function) && !slices.Contains(memoryCopiers, function) {
			return &f.Frames[i]
		}
	}
	return nil
}

// diedIn reports whether the process died in one of the given functions, or in a function
// of pcLookups that one of them had called.
func (f *Facts) diedIn(in []string) bool {
	for _, frame := range f.dyingStack() {
		switch {
		case slices.Contains(in, frame.Func):
			return true
		case !slices.Contains(pcLookups, frame.Func):
			return false
		}
	}
	return false
}

// onDyingStack reports whether a function is on the stack on which the process died.
func (f *Facts) onDyingStack(function string) bool {
	return slices.ContainsFunc(f.dyingStack(), func(frame Frame) bool { return frame.Func == function })
}

// onAnyStack reports whether any stack has a function whose name has the given prefix.
func (f *Facts) onAnyStack(prefix string) bool {
	return slices.ContainsFunc(f.Frames, func(frame Frame) bool { return strings.HasPrefix(frame.Func, prefix) })
}

// dyingStackBegins reports whether the stack on which the process died begins with the
// given functions. If the stack has only functions of deathMachinery, as after a fault in C
// code, the next stack counts.
func (f *Facts) dyingStackBegins(functions ...string) bool {
	var names []string
	for _, frame := range f.Frames {
		if len(names) == len(functions) {
			break
		}
		if len(names) > 0 || !slices.Contains(deathMachinery, frame.Func) {
			names = append(names, frame.Func)
		}
	}
	return slices.Equal(names, functions)
}

// inForeignCode reports whether a fault was in code that is not Go code: there are no
// frames below sigpanic, and the fault is not a jump to a wrong address.
func (f *Facts) inForeignCode() bool {
	m := signalLine.FindSubmatch(f.messages)
	return len(f.dyingStack()) == 0 && m != nil && parseHex(m[1]) != parseHex(m[2])
}

// outsideRuntime reports whether the process died in a function outside the runtime, or
// while such a function was copying memory.
func (f *Facts) outsideRuntime() bool {
	stack := f.dyingStack()
	for len(stack) > 0 && slices.Contains(memoryCopiers, stack[0].Func) {
		stack = stack[1:]
	}
	return len(stack) > 0 && !strings.HasPrefix(stack[0].Func, "runtime.") && !strings.HasPrefix(stack[0].Func, "internal/runtime/")
}

// inRuntime reports whether the process died in the runtime, but not while it walked a
// stack. After a fatal error, the first frames are those of the throw. If the log does not
// have them, it lacks the frame in which the process died, and the answer is false.
func (f *Facts) inRuntime() bool {
	stack := f.dyingStack()
	if len(stack) == 0 || fatalErrorLine.Match(f.messages) && !slices.Contains(deathMachinery, f.Frames[0].Func) {
		return false
	}
	return strings.HasPrefix(stack[0].Func, "runtime.") && !f.walkingStack()
}

// walkingStack reports whether the frames show that the process died while it walked a
// stack.
func (f *Facts) walkingStack() bool {
	return slices.ContainsFunc(f.dyingStack(), func(frame Frame) bool {
		return slices.Contains(stackWalkers, frame.Func) || slices.Contains(spUnwinders, frame.Func) || slices.Contains(fpUnwinders, frame.Func)
	})
}

// gaveUpLine matches the unwinder's message about the goroutine on which it gave up. Some
// releases do not print the number of the goroutine.
var gaveUpLine = pattern.New(`(?m)^runtime: (?:g ?([0-9]+): )?(?:frame\.sp=|unexpected return pc for )`)

// signalLine matches the runtime's message about a signal, with the address and the pc.
var signalLine = pattern.New(`(?m)^\[signal [^\n]*? addr=0x([0-9a-f]{1,16}) pc=0x([0-9a-f]{1,16})\]`)

// FailedGoroutine returns the number of the goroutine on which the unwinder gave up. It is
// the number in the unwinder's messages before the first stack, because the runtime prints
// such messages about other goroutines while it prints stacks. FailedGoroutine returns ""
// if the log does not say that the unwinder gave up, or if the messages have no number or
// more than one.
func (f *Facts) FailedGoroutine() string { return f.failedGoroutine }

// failedGoroutine is like FailedGoroutine, for the part of a log before the first stack.
func failedGoroutine(beforeStacks []byte) (id string) {
	for _, m := range gaveUpLine.FindAllSubmatch(beforeStacks, 100) {
		if m[1] == nil || id != "" && id != string(m[1]) {
			return ""
		}
		id = string(m[1])
	}
	if !syntax.HasAny(beforeStacks, "unknown caller pc", "did not unwind completely") {
		return ""
	}
	return id
}

// failedGoroutineParked reports whether the goroutine on which the unwinder gave up is
// printed as waiting. It had parked itself, in a call, so it was not preempted. Its state
// cannot change while another thread scans it.
func (f *Facts) failedGoroutineParked() bool {
	id := f.FailedGoroutine()
	for _, frame := range f.Frames {
		if id == "" || frame.GoroutineID() != id {
			continue
		}
		_, state, _ := strings.Cut(frame.Header, "[")
		return frame.Innermost && frame.Func == "runtime.gopark" && !strings.HasPrefix(state, "run") && !strings.HasPrefix(state, "preempted")
	}
	return false
}

// preemptedInSplitFrame reports whether a goroutine was preempted in a frame that takes two
// instructions to pop on arm64.
func (f *Facts) preemptedInSplitFrame() bool {
	return slices.ContainsFunc(f.Frames, func(frame Frame) bool {
		return frame.Preempted && frame.FP > frame.SP && arm64.FormOf(frame.FP-frame.SP) == arm64.TwoADDs
	})
}

// printedByProgram reports whether the log is a stack trace that a program printed before
// it went on. The function that prints it is then the first frame. If a panic ends the
// process, the first frame is that of the panic.
func (f *Facts) printedByProgram() bool {
	if len(f.Frames) == 0 || f.Frames[0].Header == headerCutOff || strings.HasPrefix(f.Frames[0].Func, "runtime.") || f.Frames[0].Func == "panic" {
		return false
	}
	return f.Frames[0].Func == "runtime/debug.Stack" ||
		slices.ContainsFunc(f.Frames, func(frame Frame) bool { return frame.Stack == f.Frames[0].Stack && frame.Func == "panic" })
}
