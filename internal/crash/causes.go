package crash

import (
	"go/version"

	"splitadd/internal/crash/pattern"
	"splitadd/internal/victim"
	"splitadd/internal/window"
)

// What a cause says of this project's defects.
type Attribution int

const (
	ManyCauses  Attribution = iota // the text has many causes: nothing about them
	MaybeWindow                    // a window leaves this text, and so do other defects
	OtherCause                     // the text names a cause, which excludes them
)

// A Cause is a way in which processes die, by what it leaves in a log.
type Cause struct {
	Name        string // of the entry, for people who work on the table
	Kind        Kind   // of a death that no window explains
	Attribution Attribution
	// Class is that of the windows that can be the cause; "" if none can.
	Class window.Class
	// Likely is true if a Named cause is the likely one of what leaves this text,
	// and not the only one.
	Likely  bool
	Summary string // the answer in a few words; "" stands for the text of a fatal error
	// Since is the first release that has the defect that this may be, and Fixed are
	// the first patch releases without it, as of a window.Kind. "" and none leave that
	// end open. A release outside excludes it.
	Since          string
	Fixed          []string
	UnaffectedNote string // what is said of a release outside
	Issues         []int  // of golang/go: what it is
	AMD64Issues    []int  // of golang/go: what leaves the same text on amd64
	Settle         string // what would settle it, if it is open
	Read           string // what to do, or to read next

	text      *pattern.Pattern    // its first group that matches, or else all of it, is the evidence
	condition func(f *Facts) bool // what else the log has to show; nil is nothing
}

// matches returns the evidence for a cause, and whether there is any.
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

// UnwinderFault returns the cause of a fault in an unwinder that goes by the
// stack pointer, or by the frame pointer.
func UnwinderFault(class window.Class) *Cause {
	for i := range Causes {
		if c := &Causes[i]; c.Class == class && c.text == faultLine {
			return c
		}
	}
	return nil
}

// Texts of the runtime's that more than one cause has. Two threads may die at
// once, and what they print gets mixed: "fatal error: " and the text that follows it
// need not stand together.
var (
	// unwinderGaveUp matches what the unwinder says when it gives up
	// (runtime/traceback.go, unwinder.finishInternal and unwinder.next;
	// gentraceback before go1.21).
	unwinderGaveUp = pattern.New(`(?s)(fatal error: traceback did not unwind completely)|(unexpected return pc for [^\n]*).*unknown caller pc|(fatal error: unknown caller pc)`)
	// faultLine matches a fault that the runtime does not survive.
	faultLine = pattern.New(`(?m)^((?:SIGSEGV|SIGBUS): [^\n]*|fatal error: unexpected signal during runtime execution|Exception 0xc0000005 [^\n]*)`)
)

// incgoFault matches the address at which the unwinder faults over a word that is no
// return address, of a goroutine that no thread runs: it reads m.incgoFault of none
// (runtime/traceback.go, gentraceback and unwinder.next, to go1.24).
var incgoFault = pattern.New(`\baddr=0x118\b`)

// fatalErrorLine matches the line of a fatal error.
var fatalErrorLine = pattern.New(`(?m)^fatal error: `)

const (
	growingStack        = "the stack of a goroutine that was growing it, which no preemption interrupts: assembly that moves the stack pointer behind the unwinder's back"
	lateFP              = "a leaf function that pops its frame before it restores the frame pointer, as go1.21.0 to go1.21.6 build it: of every frame size"
	tracebackStuck      = "traceback stuck: a frame without unwind information, or of size 0"
	signalInC           = "a signal in C code"
	faultOutsideRuntime = "a fault outside the runtime"

	settleByLog    = "more of the log, or a core file"
	settleByBinary = "the binary that ran: splitadd triage -binary FILE"
)

// staleFPKind is the kind of a frame pointer that is restored after its frame is popped.
var staleFPKind, _ = window.KindNamed(window.StaleFP)

// firstTracerByFP is the first release whose execution tracer goes by the frame pointer.
const firstTracerByFP = "go1.21"

// lostPointerKind is the kind of a pointer that the collector does not see in R30.
var lostPointerKind, _ = window.KindNamed(string(window.Pointer))

// noLostPointer is what is said of a release that does not lose it.
var noLostPointer = "golang/go#80188, a lost pointer, is in releases since go1.16; " + lostPointerKind.Remedy

// Causes are tried in order: the first that a log has is what the process died
// of. What says more comes first.
var Causes = []Cause{
	{Name: "wrong result", Kind: Corrupt, Attribution: ManyCauses, Summary: "a victim computed something wrong", Settle: "the log without that line",
		text: pattern.New(`(?m)^` + victim.LineMark + `(corrupt result.*)$`)},
	{Name: "freed object", Kind: Freed, Attribution: ManyCauses, Summary: "an object was freed while a victim used it", Settle: "the log without that line",
		text: pattern.New(`(?m)^` + victim.LineMark + `(object freed in use.*)$`)},

	// The unwinder gave up, and not over a goroutine that was preempted.
	{Name: "unwinding a stack that grows", Kind: Unwind, Attribution: OtherCause, Summary: growingStack, Issues: []int{62326},
		text: unwinderGaveUp, condition: func(f *Facts) bool { return f.onDyingStack("runtime.copystack") && f.onDyingStack("runtime.newstack") }},
	{Name: "unwinding below a debugger's call", Kind: Unwind, Attribution: OtherCause, Summary: "a call that a debugger injected", Issues: []int{71144},
		text: unwinderGaveUp, condition: func(f *Facts) bool { return f.onAnyStack("runtime.debugCall") }},
	{Name: "unwinding itself", Kind: Unwind, Attribution: OtherCause, Summary: "a goroutine that unwound its own stack, at a call, which no preemption interrupts",
		text: unwinderGaveUp, condition: func(f *Facts) bool {
			return f.onDyingStack("runtime.(*_panic).nextFrame.func1") || f.onDyingStack("runtime.(*_panic).nextFrame")
		}},
	{Name: "unwinding a system stack", Kind: Unwind, Attribution: OtherCause, Summary: "the stack of a thread, which is never preempted",
		text: unwinderGaveUp, condition: func(f *Facts) bool { return f.FailedGoroutine() == "0" }},
	{Name: "unwinding a goroutine that waits", Kind: Unwind, Attribution: OtherCause, Summary: "the stack of a goroutine that waited, which no preemption interrupted",
		text: unwinderGaveUp, condition: (*Facts).failedGoroutineParked},

	{Name: "unwinding C code below sigpanic", Kind: Unwind, Attribution: OtherCause, Likely: true, Summary: signalInC,
		text: pattern.New(`(?s)\A[^\n]*(unexpected return pc for runtime\.sigpanic called from 0x[^\n]*).*fatal error: unknown caller pc`)},

	// The unwinder gave up, or fell over its own word.
	{Name: "incomplete unwind", Kind: Unwind, Attribution: MaybeWindow, Class: window.SP, Since: firstAsync, AMD64Issues: []int{62326, 71144, 81959},
		text: pattern.New(`fatal error: traceback did not unwind completely`)},
	{Name: "non-code return pc", Kind: Unwind, Attribution: MaybeWindow, Class: window.SP, Since: firstAsync, text: unwinderGaveUp},
	{Name: "partly expanded frame pointers", Kind: OtherGo, Attribution: OtherCause, Summary: "a fault of the block and mutex profilers', while a panic is recovered", Issues: []int{73664},
		text: faultLine, condition: func(f *Facts) bool { return f.diedIn(partialExpanders) }},
	{Name: "frame pointers of its own stack", Kind: OtherGo, Attribution: OtherCause, Summary: "a goroutine that unwound its own frame pointers, at a call, which no preemption interrupts",
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
	{Name: "fault of a walk, at the unwinder's address", Kind: Unwind, Attribution: MaybeWindow, Class: window.SP, Since: firstAsync, AMD64Issues: []int{64030, 66151},
		text: faultLine, condition: func(f *Facts) bool { return f.walkingStack() && incgoFault.Match(f.messages) }},
	{Name: "traceback stuck", Kind: OtherGo, Attribution: OtherCause, Summary: tracebackStuck, Issues: []int{62086, 80771},
		text: pattern.New(`fatal error: traceback stuck`)},
	{Name: "traceback stuck, cut", Kind: OtherGo, Attribution: OtherCause, Summary: tracebackStuck, Issues: []int{62086, 80771},
		text: pattern.New(`runtime: traceback stuck\. pc=[^\n]*`)},

	// Other people's code.
	{Name: "morestack on a system stack", Kind: OtherGo, Attribution: OtherCause, Summary: "a system stack that overflowed: too deep in C code, or in the runtime",
		text: pattern.New(`(?m)^(?:fatal: |runtime: |fatal error: )?morestack on g[0s][^\n]*`)},
	{Name: "morestack on a system stack, cut", Kind: OtherGo, Attribution: OtherCause, Summary: "a system stack that overflowed: too deep in C code, or in the runtime",
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

	{Name: "foreign code without a goroutine", Kind: OtherGo, Attribution: OtherCause, Summary: "a signal in code that is not Go's, on a thread of which the runtime knows nothing",
		text: pattern.New(`(?m)^(?:fatal: |fatal error: )bad g in signal handler[^\n]*`)},
	{Name: "forbidden system call", Kind: OtherGo, Attribution: OtherCause, Summary: "a system call that the system forbids",
		text: pattern.New(`(?m)^SIGSYS: [^\n]*$`)},
	{Name: "failed futex", Kind: OtherGo, Attribution: OtherCause, Summary: "a futex call that failed: the runtime faults on purpose",
		text: pattern.New(`(?m)^(SIGSEGV: [^\n]*)\n[^\n]* addr=0x100[56]$`), condition: func(f *Facts) bool {
			return len(f.dyingStack()) == 0 || f.onDyingStack("runtime.futexwakeup") || f.onDyingStack("runtime.futexsleep")
		}},
	{Name: "illegal instruction", Kind: OtherGo, Attribution: OtherCause, Likely: true, Summary: "an illegal instruction",
		text: pattern.New(`(?m)^SIGILL: [^\n]*$`)},

	{Name: "out of memory", Kind: OutOfMemory, Attribution: OtherCause, Summary: "out of memory",
		text: pattern.New(`fatal error: [^\n]*(?:out of memory|cannot allocate memory)[^\n]*`)},
	{Name: "state of the scheduler or the allocator", Kind: OtherGo, Attribution: OtherCause, Likely: true, Summary: "a state that the runtime never has: memory was overwritten, or the runtime or the machine is at fault",
		text: pattern.New(`(?m)^fatal error: (?:[^\n]*(?:bad g status|holding locks|lock count|invalid p state|malloc deadlock|misuse of itab|malloc during signal))[^\n]*$`)},
	{Name: "corrupted heap", Kind: OtherGo, Attribution: ManyCauses, Summary: "memory was corrupted, which has many causes", Since: "go1.16", Fixed: lostPointerKind.Fixed, UnaffectedNote: noLostPointer,
		Settle: "a core file; go test -race, and GODEBUG=asyncpreemptoff=1 for a while: does it stop? On arm64, releases since go1.16 can lose a pointer (golang/go#80188; " +
			lostPointerKind.Remedy + "); this text alone is not evidence of it",
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
	{Name: "fatal error", Kind: OtherGo, Attribution: ManyCauses, Summary: "nothing in the log decides", Settle: settleByLog,
		text: pattern.New(`fatal error: [^\n]*`)},
	{Name: "dump that was asked for", Kind: OtherGo, Attribution: OtherCause, Summary: "SIGQUIT: a dump that somebody asked for",
		text: pattern.New(`(?m)^SIGQUIT: [^\n]*$`)},
	{Name: "signal from outside", Kind: OtherGo, Attribution: OtherCause, Summary: "ended by a signal",
		text: pattern.New(`(?m)^SIG(?:ABRT|TERM|INT|HUP|USR[12]|KILL|STOP|XCPU|ALRM|TRAP|PIPE|VTALRM|PROF): [^\n]*$`)},
	{Name: "signal outside the runtime", Kind: OtherGo, Attribution: OtherCause, Summary: faultOutsideRuntime,
		text: pattern.New(`(?m)^(?:SIG[A-Z]+: |Exception 0x)[^\n]*$`), condition: (*Facts).outsideRuntime},
	{Name: "signal", Kind: OtherGo, Attribution: ManyCauses, Summary: "nothing in the log decides", Settle: settleByLog,
		text: pattern.New(`(?m)^(?:SIG[A-Z]+: |Exception 0x)[^\n]*$`)},
	{Name: "recovered panic", Kind: OtherGo, Attribution: OtherCause, Summary: "a stack that the process printed and lived on",
		text: pattern.New(`\Agoroutine [0-9]+ [^\n]*\[running[^\n]*`), condition: (*Facts).printedByProgram},
	{Name: "panic", Kind: OtherGo, Attribution: OtherCause, Summary: "a panic",
		text: pattern.New(`(?m)^panic: [^\n]*$`), condition: func(f *Facts) bool { return len(f.Frames) > 0 || panicBySignal.Match(f.messages) }},
	{Name: "panic, cut", Kind: OtherGo, Attribution: ManyCauses, Summary: "nothing in the log decides", Settle: "the log after the panic",
		text: pattern.New(`(?m)^panic: [^\n]*$`)},
	// What comes before the fatal error, which is cut off.
	{Name: "incomplete unwind, cut", Kind: Unwind, Attribution: MaybeWindow, Class: window.SP, Since: firstAsync,
		text: pattern.New(`(?m)^runtime: g ?[0-9]+: frame\.sp=0x[0-9a-f]+ top=0x[0-9a-f]+`)},
	{Name: "non-code return pc, cut", Kind: Unwind, Attribution: MaybeWindow, Class: window.SP, Since: firstAsync,
		text: pattern.New(`(?m)^runtime: (?:g ?[0-9]+: )?(unexpected return pc [^\n]*)`)},
}

// namesItsCause matches fatal errors whose text says the cause, and all of it.
var namesItsCause = pattern.New(`(?m)^fatal error: (?:all goroutines are asleep - deadlock!|no goroutines \(main called runtime\.Goexit\) - deadlock!|` +
	`concurrent map |stack overflow|sync: |thread exhaustion|too many |newosproc|runtime\.SetFinalizer|runtime\.AddCleanup|mlock failed|failed to create new OS thread|` +
	`cgo argument|cgo result|checkptr|program exceeds|self deadlock|go of nil func|runtime: stack split at bad time|pipe failed|runtime: cannot|unlock of unlocked|index out of range|makeslice)[^\n]*`)

// panicBySignal matches what the runtime prints below a panic that a signal made.
var panicBySignal = pattern.New(`(?m)^panic: [^\n]*\n(?:[^\n]*\n){0,3}\[signal SIG`)

// restoresFPLate reports whether a release restores frame pointers too late, as what it builds
// does: the kind of window says from which release on none does.
func restoresFPLate(release string) bool {
	return version.IsValid(release) && version.Compare(release, firstTracerByFP) >= 0 && !window.FixedIn(release, staleFPKind.Fixed)
}
