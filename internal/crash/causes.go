package crash

import (
	"go/version"

	"splitadd/internal/crash/pattern"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// An Attribution says whether a window may have caused a crash.
type Attribution int

const (
	ManyCauses  Attribution = iota // the text has many causes and says nothing about windows
	MaybeWindow                    // windows cause this text, and so do other defects
	OtherCause                     // the text names another cause, so it was not a window
)

// A Cause is one way in which processes die, with the text by which a log shows it.
type Cause struct {
	Name        string // the name of the entry, for people who work on the table
	Kind        Kind   // the kind of the death, if no window explains it
	Attribution Attribution
	// Class is the class of the windows that may be the cause, or "" if none may be.
	Class window.Class
	// Likely is true if an OtherCause is likely, but other defects leave the same text.
	Likely bool
	// Summary is the answer in a few words. If it is "", the answer is the text of the
	// fatal error.
	Summary string
	// Since is the first release with the defect. "" means that all releases may have it.
	Since string
	// Fixed are the first patch releases without the defect, as in a window.Kind. If it is
	// empty, no release is known to be without it.
	Fixed          []string
	UnaffectedNote string // evidence that is added if the release does not have the defect
	Issues         []int  // issues of golang/go about this cause
	AMD64Issues    []int  // issues of golang/go about other causes of the same text on amd64
	Settle         string // what would settle an answer of ManyCauses

	text      *pattern.Pattern    // the evidence is its first group that matches, or the whole match
	condition func(f *Facts) bool // what else the log has to show; nil if nothing
}

// matches reports whether the log shows the cause, and returns the evidence.
func (c *Cause) matches(f *Facts) (evidence string, ok bool) {
	m := c.text.FindSubmatch(f.messages)
	if m == nil || c.condition != nil && !c.condition(f) {
		return "", false
	}
	for _, group := range m[1:] {
		if group != nil {
			return string(group), true
		}
	}
	return string(m[0]), true
}

// UnwinderFault returns the cause of a fault in the unwinder that follows the stack
// pointer (window.SP) or the frame pointer (window.FP).
func UnwinderFault(class window.Class) *Cause {
	for i := range Causes {
		if c := &Causes[i]; c.Class == class && c.text == faultLine {
			return c
		}
	}
	return nil
}

// These texts of the runtime belong to more than one cause. If two threads die at the
// same time, their output is mixed, and other text may separate "fatal error: " from
// the words that belong to it.
var (
	// unwinderGaveUp matches what the unwinder says when it gives up
	// (runtime/traceback.go, unwinder.finishInternal and unwinder.next;
	// gentraceback before go1.21).
	unwinderGaveUp = pattern.New(`(?s)(fatal error: traceback did not unwind completely)|(unexpected return pc for [^\n]*).*unknown caller pc|(fatal error: unknown caller pc)`)
	// faultLine matches the line about a fault that ends the process.
	faultLine = pattern.New(`(?m)^((?:SIGSEGV|SIGBUS): [^\n]*|fatal error: unexpected signal during runtime execution|Exception 0xc0000005 [^\n]*)`)
)

// incgoFault matches the address of a fault in the unwinder. Up to go1.24, if a word is
// not a return address and no thread runs the goroutine, the unwinder reads the field
// incgo of a nil m (runtime/traceback.go, gentraceback and unwinder.next).
var incgoFault = pattern.New(`\baddr=0x118\b`)

// fatalErrorLine matches the beginning of the line of a fatal error.
var fatalErrorLine = pattern.New(`(?m)^fatal error: `)

const (
	growingStack        = "a goroutine that was growing its stack, and so was not preempted: assembly code moved the stack pointer without the unwinder's knowledge"
	tracebackStuck      = "traceback stuck: a frame without unwind information, or of size 0"
	signalInC           = "a signal in C code"
	faultOutsideRuntime = "a fault outside the runtime"

	settleByLog    = "more of the log, or a core file"
	settleByBinary = "the binary that ran: splitadd triage -binary FILE"
)

// staleFPKind is the kind of windows in functions that restore the frame pointer after
// they pop the frame.
var staleFPKind, _ = window.KindNamed(window.StaleFP)

// lateFP is the summary of crashes in windows of that kind.
var lateFP = "a leaf function that pops its frame before it restores the frame pointer, whatever the frame's size: " + staleFPKind.Remedy

// firstTracerByFP is the first release whose execution tracer follows frame pointers.
const firstTracerByFP = "go1.21"

// lostPointerKind is the kind of windows in which the collector misses a pointer in R30.
var lostPointerKind, _ = window.KindNamed(string(window.Pointer))

// noLostPointer is the note about a release that does not lose pointers.
var noLostPointer = "releases since go1.16 can lose a pointer (golang/go#80188); " + lostPointerKind.Remedy

// Causes are tried in order. The first that matches a log is what the process died of,
// so more specific causes come first.
var Causes = []Cause{
	{Name: "wrong result", Kind: Corrupt, Attribution: ManyCauses, Summary: "a victim computed a wrong result", Settle: "the log without that line",
		text: pattern.New(`(?m)^` + victim.LineMark + `(corrupt result.*)$`)},
	{Name: "freed object", Kind: Freed, Attribution: ManyCauses, Summary: "an object was freed while a victim used it", Settle: "the log without that line",
		text: pattern.New(`(?m)^` + victim.LineMark + `(object freed in use.*)$`)},

	// The unwinder gave up on a goroutine that was not preempted.
	{Name: "unwinding a stack that grows", Kind: Unwind, Attribution: OtherCause, Summary: growingStack, Issues: []int{62326},
		text: unwinderGaveUp, condition: func(f *Facts) bool { return f.onDyingStack("runtime.copystack") && f.onDyingStack("runtime.newstack") }},
	{Name: "unwinding below a debugger's call", Kind: Unwind, Attribution: OtherCause, Summary: "a call that a debugger injected", Issues: []int{71144},
		text: unwinderGaveUp, condition: func(f *Facts) bool { return f.onAnyStack("runtime.debugCall") }},
	{Name: "unwinding itself", Kind: Unwind, Attribution: OtherCause, Summary: "a goroutine that unwound its own stack, and so was not preempted",
		text: unwinderGaveUp, condition: func(f *Facts) bool {
			return f.onDyingStack("runtime.(*_panic).nextFrame.func1") || f.onDyingStack("runtime.(*_panic).nextFrame")
		}},
	{Name: "unwinding a system stack", Kind: Unwind, Attribution: OtherCause, Summary: "the system stack of a thread, which is never preempted",
		text: unwinderGaveUp, condition: func(f *Facts) bool { return f.FailedGoroutine() == "0" }},
	{Name: "unwinding a parked goroutine", Kind: Unwind, Attribution: OtherCause, Summary: "the stack of a goroutine that was waiting, and so was not preempted",
		text: unwinderGaveUp, condition: (*Facts).failedGoroutineParked},

	{Name: "unwinding C code below sigpanic", Kind: Unwind, Attribution: OtherCause, Likely: true, Summary: signalInC,
		text: pattern.New(`(?s)\A[^\n]*(unexpected return pc for runtime\.sigpanic called from 0x[^\n]*).*fatal error: unknown caller pc`)},

	// The unwinder gave up or faulted.
	{Name: "incomplete unwind", Kind: Unwind, Attribution: MaybeWindow, Class: window.SP, Since: firstAsync, AMD64Issues: []int{62326, 71144, 81959},
		text: pattern.New(`fatal error: traceback did not unwind completely`)},
	{Name: "non-code return pc", Kind: Unwind, Attribution: MaybeWindow, Class: window.SP, Since: firstAsync, text: unwinderGaveUp},
	{Name: "partly expanded frame pointers", Kind: OtherGo, Attribution: OtherCause, Summary: "a fault in the block or mutex profiler while a panic was recovered", Issues: []int{73664},
		text: faultLine, condition: func(f *Facts) bool { return f.diedIn(partialExpanders) }},
	{Name: "frame pointers of its own stack", Kind: OtherGo, Attribution: OtherCause, Summary: "a goroutine that followed its own frame pointers, and so was not preempted",
		text: faultLine, condition: func(f *Facts) bool {
			return f.diedIn(fpUnwinders) && (f.onDyingStack("runtime.newstack") || f.onDyingStack("runtime.saveblockevent"))
		}},
	{Name: "frame pointers restored too late", Kind: Unwind, Attribution: OtherCause, Likely: true, Summary: lateFP, Issues: []int{63830},
		text: faultLine, condition: func(f *Facts) bool {
			return f.diedIn(fpUnwinders) && restoresFPLate(f.BuiltBy) && !f.preemptedInSplitFrame() && f.NotARM64 == ""
		}},
	{Name: "fault in the frame pointer unwinder", Kind: Unwind, Attribution: MaybeWindow, Class: window.FP, Since: firstTracerByFP, AMD64Issues: []int{59692, 75478},
		text: faultLine, condition: func(f *Facts) bool { return f.diedIn(fpUnwinders) }},
	{Name: "fault in the unwinder", Kind: Unwind, Attribution: MaybeWindow, Class: window.SP, Since: firstAsync, AMD64Issues: []int{64030, 66151},
		text: faultLine, condition: func(f *Facts) bool { return f.diedIn(spUnwinders) }},
	{Name: "fault at the unwinder's address, while a stack was walked", Kind: Unwind, Attribution: MaybeWindow, Class: window.SP, Since: firstAsync, AMD64Issues: []int{64030, 66151},
		text: faultLine, condition: func(f *Facts) bool { return f.walkingStack() && incgoFault.Match(f.messages) }},
	{Name: "traceback stuck", Kind: OtherGo, Attribution: OtherCause, Summary: tracebackStuck, Issues: []int{62086, 80771},
		text: pattern.New(`fatal error: traceback stuck`)},
	{Name: "traceback stuck, cut", Kind: OtherGo, Attribution: OtherCause, Summary: tracebackStuck, Issues: []int{62086, 80771},
		text: pattern.New(`runtime: traceback stuck\. pc=[^\n]*`)},

	// The cause is outside Go code.
	{Name: "morestack on a system stack", Kind: OtherGo, Attribution: OtherCause, Summary: "a system stack overflow, in C code or in the runtime",
		text: pattern.New(`(?m)^(?:fatal: |runtime: |fatal error: )?morestack on g[0s][^\n]*`)},
	{Name: "morestack on a system stack, cut", Kind: OtherGo, Attribution: OtherCause, Summary: "a system stack overflow, in C code or in the runtime",
		text: pattern.New(`(?m)^SIG[A-Z]+: [^\n]*`), condition: func(f *Facts) bool { return f.dyingStackBegins("runtime.abort", "runtime.morestack") }},
	{Name: "C code's signal handler", Kind: OtherGo, Attribution: OtherCause, Summary: "a signal handler that C code set up",
		text: pattern.New(`fatal error: non-Go code (?:set up signal handler without SA_ONSTACK flag|disabled sigaltstack)|signal [0-9]+ received (?:but handler not on signal stack|on thread with no signal stack)`)},
	{Name: "signal in C code", Kind: OtherGo, Attribution: OtherCause, Summary: signalInC,
		text: pattern.New(`(?ms)^((?:SIG[A-Z]+: |Exception 0x)[^\n]*).*^signal arrived during (?:cgo|external code) execution`)},
	{Name: "sigpanic from C code", Kind: OtherGo, Attribution: OtherCause, Summary: signalInC,
		text: pattern.New(`(?ms)(fatal error: unexpected signal during runtime execution).*unexpected return pc for runtime\.sigpanic called from 0x`), condition: (*Facts).inForeignCode},
	{Name: "signal below cgocall", Kind: OtherGo, Attribution: OtherCause, Summary: signalInC,
		text: pattern.New(`(?m)^(SIG[A-Z]+: [^\n]*|Exception 0x[^\n]*|fatal error: unexpected signal during runtime execution)`),
		condition: func(f *Facts) bool {
			return f.dyingStackBegins("runtime.cgocall") || f.dyingStackBegins("runtime.asmcgocall")
		}},

	{Name: "foreign code without a goroutine", Kind: OtherGo, Attribution: OtherCause, Summary: "a signal in non-Go code, on a thread that the runtime does not know",
		text: pattern.New(`(?m)^(?:fatal: |fatal error: )bad g in signal handler[^\n]*`)},
	{Name: "forbidden system call", Kind: OtherGo, Attribution: OtherCause, Summary: "a forbidden system call",
		text: pattern.New(`(?m)^SIGSYS: [^\n]*$`)},
	{Name: "failed futex", Kind: OtherGo, Attribution: OtherCause, Summary: "a futex call that failed: the runtime faults on purpose",
		text: pattern.New(`(?m)^(SIGSEGV: [^\n]*)\n[^\n]* addr=0x100[56]$`), condition: func(f *Facts) bool {
			return len(f.dyingStack()) == 0 || f.onDyingStack("runtime.futexwakeup") || f.onDyingStack("runtime.futexsleep")
		}},
	{Name: "illegal instruction", Kind: OtherGo, Attribution: OtherCause, Likely: true, Summary: "an illegal instruction",
		text: pattern.New(`(?m)^SIGILL: [^\n]*$`)},

	{Name: "out of memory", Kind: OutOfMemory, Attribution: OtherCause, Summary: "out of memory",
		text: pattern.New(`fatal error: [^\n]*(?:out of memory|cannot allocate memory)[^\n]*`)},
	{Name: "state of the scheduler or the allocator", Kind: OtherGo, Attribution: OtherCause, Likely: true, Summary: "an impossible state of the runtime: memory was overwritten, or the runtime or the machine is at fault",
		text: pattern.New(`(?m)^fatal error: (?:[^\n]*(?:bad g status|holding locks|lock count|invalid p state|malloc deadlock|misuse of itab|malloc during signal))[^\n]*$`)},
	{Name: "corrupted heap", Kind: OtherGo, Attribution: ManyCauses, Summary: "memory was corrupted, which has many causes", Since: "go1.16", Fixed: lostPointerKind.Fixed, UnaffectedNote: noLostPointer,
		Settle: "a core file; go test -race; whether it stops with GODEBUG=asyncpreemptoff=1. On arm64, releases since go1.16 can lose a pointer (golang/go#80188; " +
			lostPointerKind.Remedy + "), but this text alone is not evidence of that",
		text:      pattern.New(`(?m)^fatal error: (?:[^\n]*(?:found bad pointer|invalid pointer|bad pointer|sweep increased|marking free object|found pointer to free|scanobject|greyobject|invalid heap pointer|bad summary data|s\.allocCount|unexpected fault|stack not |stackfree|bad g|bad m|mSpan|mheap|span |gc: |work\.|wbuf|workbuf|shrink|runtime: bad|swept cached|allocCount|freeIndex|bad lfnode|bad use of|nil elem type|casgstatus|lfstack)|bulkBarrier|heapBits|markroot|mspan)[^\n]*$`),
		condition: func(f *Facts) bool { return !namesItsCause.Match(f.messages) }},
	{Name: "fatal error with a cause of its own", Kind: OtherGo, Attribution: OtherCause, text: namesItsCause},
	{Name: "fault outside the runtime", Kind: OtherGo, Attribution: OtherCause, Summary: faultOutsideRuntime,
		text: pattern.New(`(?m)^(fatal error: fault)$`), condition: (*Facts).outsideRuntime},
	{Name: "fault in the runtime", Kind: OtherGo, Attribution: ManyCauses, Summary: "a fault in the runtime, which has many causes", Since: "go1.16", Fixed: lostPointerKind.Fixed, UnaffectedNote: noLostPointer,
		Settle: settleByBinary + "; a core file; go test -race",
		text:   pattern.New(`(?m)^((?:SIGSEGV|SIGBUS): [^\n]*|Exception 0x[^\n]*|fatal error: (?:unexpected signal during runtime execution|fault))`), condition: (*Facts).inRuntime},
	{Name: "unexpected signal", Kind: OtherGo, Attribution: ManyCauses, Summary: "a fault in the runtime, which has many causes", Settle: settleByBinary + "; " + settleByLog,
		text: pattern.New(`fatal error: unexpected signal during runtime execution`)},
	{Name: "fatal error", Kind: OtherGo, Attribution: ManyCauses, Summary: "the log does not show the cause", Settle: settleByLog,
		text: pattern.New(`fatal error: [^\n]*`)},
	{Name: "dump that was asked for", Kind: OtherGo, Attribution: OtherCause, Summary: "SIGQUIT: somebody asked for a dump of the goroutines",
		text: pattern.New(`(?m)^SIGQUIT: [^\n]*$`)},
	{Name: "signal from outside", Kind: OtherGo, Attribution: OtherCause, Summary: "ended by a signal",
		text: pattern.New(`(?m)^SIG(?:ABRT|TERM|INT|HUP|USR[12]|KILL|STOP|XCPU|ALRM|TRAP|PIPE|VTALRM|PROF): [^\n]*$`)},
	{Name: "signal outside the runtime", Kind: OtherGo, Attribution: OtherCause, Summary: faultOutsideRuntime,
		text: pattern.New(`(?m)^(?:SIG[A-Z]+: |Exception 0x)[^\n]*$`), condition: (*Facts).outsideRuntime},
	{Name: "signal", Kind: OtherGo, Attribution: ManyCauses, Summary: "the log does not show the cause", Settle: settleByLog,
		text: pattern.New(`(?m)^(?:SIG[A-Z]+: |Exception 0x)[^\n]*$`)},
	{Name: "recovered panic", Kind: OtherGo, Attribution: OtherCause, Summary: "a stack trace that the process printed before it went on",
		text: pattern.New(`\Agoroutine [0-9]+ [^\n]*\[running[^\n]*`), condition: (*Facts).printedByProgram},
	{Name: "panic", Kind: OtherGo, Attribution: OtherCause, Summary: "a panic",
		text: pattern.New(`(?m)^panic: [^\n]*$`), condition: func(f *Facts) bool { return len(f.Frames) > 0 || panicBySignal.Match(f.messages) }},
	{Name: "panic, cut", Kind: OtherGo, Attribution: ManyCauses, Summary: "the log does not show the cause", Settle: "the log after the panic",
		text: pattern.New(`(?m)^panic: [^\n]*$`)},
	// The unwinder's message, in a log that is cut off before the fatal error.
	{Name: "incomplete unwind, cut", Kind: Unwind, Attribution: MaybeWindow, Class: window.SP, Since: firstAsync,
		text: pattern.New(`(?m)^runtime: g ?[0-9]+: frame\.sp=0x[0-9a-f]+ top=0x[0-9a-f]+`)},
	{Name: "non-code return pc, cut", Kind: Unwind, Attribution: MaybeWindow, Class: window.SP, Since: firstAsync,
		text: pattern.New(`(?m)^runtime: (?:g ?[0-9]+: )?(unexpected return pc [^\n]*)`)},
}

// namesItsCause matches fatal errors whose text fully explains the crash.
var namesItsCause = pattern.New(`(?m)^fatal error: (?:all goroutines are asleep - deadlock!|no goroutines \(main called runtime\.Goexit\) - deadlock!|` +
	`concurrent map |stack overflow|sync: |thread exhaustion|too many |newosproc|runtime\.SetFinalizer|runtime\.AddCleanup|mlock failed|failed to create new OS thread|` +
	`cgo argument|cgo result|checkptr|program exceeds|self deadlock|go of nil func|runtime: stack split at bad time|pipe failed|runtime: cannot|unlock of unlocked|index out of range|makeslice)[^\n]*`)

// panicBySignal matches a panic that a signal caused, with the signal below it.
var panicBySignal = pattern.New(`(?m)^panic: [^\n]*\n(?:[^\n]*\n){0,3}\[signal SIG`)

// restoresFPLate reports whether functions built by a release restore the frame pointer
// after they pop the frame. The table of kinds in package window says which release fixed
// this.
func restoresFPLate(release string) bool {
	return version.IsValid(release) && version.Compare(release, firstTracerByFP) >= 0 && !window.FixedIn(release, staleFPKind.Fixed)
}
