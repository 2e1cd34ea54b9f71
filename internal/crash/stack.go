package crash

import (
	"slices"
	"strings"

	"splitadd/internal/arm64"
	"splitadd/internal/crash/pattern"
)

// The functions of the runtime's that walk a stack, by the pointer they go by.
var (
	spUnwinders = []string{"runtime.(*unwinder).next", "runtime.(*unwinder).finishInternal", "runtime.(*unwinder).resolveInternal",
		"runtime.(*unwinder).initAt", "runtime.gentraceback"}
	fpUnwinders      = []string{"runtime.fpTracebackPCs", "runtime.traceStack", "runtime.traceStackID", "runtime.traceStack.func1"}
	partialExpanders = []string{"runtime.fpTracebackPartialExpand"}

	// pcLookups are what they call to look up a pc. A word that is none may make
	// these fault.
	pcLookups = []string{"runtime.findfunc", "runtime.findmoduledatap", "runtime.funcspdelta", "runtime.pcvalue", "runtime.step", "runtime.readvarint",
		"runtime.funcdata", "runtime.pcdatavalue", "runtime.pcdatavalue1", "runtime.funcMaxSPDelta", "runtime.(*moduledata).textAddr",
		"runtime.(*moduledata).textOff", "runtime.funcInfo.valid", "runtime.funcInfo.entry"}

	// deathMachinery is what stands above the frame in which a process dies.
	deathMachinery = []string{"runtime.throw", "runtime.fatal", "runtime.fatalthrow", "runtime.throw.func1", "runtime.fatal.func1", "runtime.fatalthrow.func1",
		"runtime.sigpanic", "runtime.sigpanic0", "panic", "runtime.gopanic", "runtime.panicmem", "runtime.panicmemAddr", "runtime.systemstack", "runtime.dopanic_m"}

	// memoryCopiers copy memory for whoever calls them.
	memoryCopiers = []string{"runtime.memmove", "runtime.memclrNoHeapPointers", "runtime.memequal", "runtime.memequal_varlen", "runtime.cmpstring"}

	// stackWalkers are what has a stack walked.
	stackWalkers = []string{"runtime.scanstack", "runtime.scanframeworker", "runtime.copystack", "runtime.adjustframe", "runtime.tracebackPCs", "runtime.traceback",
		"runtime.traceback1", "runtime.traceback2", "runtime.tracebackothers", "runtime.callers", "runtime.shrinkstack", "runtime.scanConservative",
		"runtime.Stack", "runtime.Stack.func1", "runtime.saveg", "runtime.doRecordGoroutineProfile", "runtime.goroutineProfileWithLabels"}
)

// dyingStack returns the frames of the stack on which the process died, from that in
// which it did.
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

// DyingFrame returns the frame in which the process died, or nil: that of the caller,
// if it was copying memory.
func (f *Facts) DyingFrame() *Frame {
	for i := range f.Frames {
		if function := f.Frames[i].Func; !slices.Contains(deathMachinery, function) && !slices.Contains(memoryCopiers, function) {
			return &f.Frames[i]
		}
	}
	return nil
}

// diedIn reports whether the process died in one of some functions, or in what
// they call to look up a pc.
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

// onAnyStack reports whether a function whose name begins so is on any stack.
func (f *Facts) onAnyStack(function string) bool {
	return slices.ContainsFunc(f.Frames, func(frame Frame) bool { return strings.HasPrefix(frame.Func, function) })
}

// dyingStackBegins reports whether the stack on which the process died has these
// functions first. If it has only what a signal puts there, as after a fault in C
// code, the next one counts.
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

// inForeignCode reports whether a fault was in code that is not Go's: sigpanic is
// the last frame there is, and the fault is not that of a jump to nowhere.
func (f *Facts) inForeignCode() bool {
	m := signalLine.FindSubmatch(f.messages)
	return len(f.dyingStack()) == 0 && m != nil && hex(m[1]) != hex(m[2])
}

// outsideRuntime reports whether the process died in a function that is not the
// runtime's, or that copies memory for one.
func (f *Facts) outsideRuntime() bool {
	stack := f.dyingStack()
	for len(stack) > 0 && slices.Contains(memoryCopiers, stack[0].Func) {
		stack = stack[1:]
	}
	return len(stack) > 0 && !strings.HasPrefix(stack[0].Func, "runtime.") && !strings.HasPrefix(stack[0].Func, "internal/runtime/")
}

// inRuntime reports whether the process died in the runtime, and not while a stack
// was walked. A process that dies while it prints may leave out the first frames:
// after a fatal error, they are those of the throw.
func (f *Facts) inRuntime() bool {
	stack := f.dyingStack()
	if len(stack) == 0 || fatalErrorLine.Match(f.messages) && !slices.Contains(deathMachinery, f.Frames[0].Func) {
		return false
	}
	return strings.HasPrefix(stack[0].Func, "runtime.") && !f.walkingStack()
}

// walkingStack reports whether the process died while it walked a stack, as far as
// the frames show.
func (f *Facts) walkingStack() bool {
	return slices.ContainsFunc(f.dyingStack(), func(frame Frame) bool {
		return slices.Contains(stackWalkers, frame.Func) || slices.Contains(spUnwinders, frame.Func) || slices.Contains(fpUnwinders, frame.Func)
	})
}

// gaveUpLine matches what the unwinder says of the goroutine over which it gives up. Some
// releases do not say which goroutine it is.
var gaveUpLine = pattern.New(`(?m)^runtime: (?:g ?([0-9]+): )?(?:frame\.sp=|unexpected return pc for )`)

// signalLine matches what the runtime says of a signal: the address and the pc.
var signalLine = pattern.New(`(?m)^\[signal [^\n]*? addr=0x([0-9a-f]{1,16}) pc=0x([0-9a-f]{1,16})\]`)

// FailedGoroutine returns the number of the goroutine over which the unwinder gave up: the
// one that it names before the stacks. It returns "" if the log does not say that it gave
// up, if it names several or none, or if it leaves the number of one out. While it prints
// stacks, the runtime names others.
func (f *Facts) FailedGoroutine() string { return f.failedGoroutine }

// failedGoroutine returns it.
func failedGoroutine(beforeStacks []byte) (id string) {
	for _, m := range gaveUpLine.FindAllSubmatch(beforeStacks, 100) {
		if m[1] == nil || id != "" && id != string(m[1]) {
			return ""
		}
		id = string(m[1])
	}
	if !hasAny(beforeStacks, "unknown caller pc", "did not unwind completely") {
		return ""
	}
	return id
}

// failedGoroutineParked reports whether the goroutine that could not be unwound is printed as
// one that waits: it parked itself, in a call. A goroutine stays as it is while
// another thread scans it.
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

// preemptedInSplitFrame reports whether a goroutine is printed as preempted in a frame that
// takes two instructions to pop.
func (f *Facts) preemptedInSplitFrame() bool {
	return slices.ContainsFunc(f.Frames, func(frame Frame) bool {
		return frame.Preempted && frame.FP > frame.SP && arm64.Expand(frame.FP-frame.SP) == arm64.TwoADDs
	})
}

// printedByProgram reports whether the log is a stack that a program printed of a
// goroutine that lived on: what prints it is the first frame. In the trace of a
// panic that ends the process, that is the panic.
func (f *Facts) printedByProgram() bool {
	if len(f.Frames) == 0 || f.Frames[0].Header == headerCutOff || strings.HasPrefix(f.Frames[0].Func, "runtime.") || f.Frames[0].Func == "panic" {
		return false
	}
	return f.Frames[0].Func == "runtime/debug.Stack" ||
		slices.ContainsFunc(f.Frames, func(frame Frame) bool { return frame.Stack == f.Frames[0].Stack && frame.Func == "panic" })
}
