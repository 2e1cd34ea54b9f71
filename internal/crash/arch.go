package crash

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"splitadd/internal/crash/pattern"
)

// A Clue is one thing in a log that tells what machine the process ran on.
//
// The host that built a binary is not: its name is in the path of a toolchain
// (golang.org/toolchain@v0.0.1-go1.23.4.linux-amd64/src/runtime/proc.go), and in
// what other programs print near a crash.
type Clue struct {
	Arch   string // a GOARCH, or a file suffix that stands for two, "ppc64x"; notARM64 for any but arm64
	Weight int    // of the weights below
	What   string // for people
}

// notARM64 is the Arch of clues that exclude arm64 without naming another.
const notARM64 = "not arm64"

// Weights of clues. Clues for an architecture, or against arm64, decide if
// their weights add up to Decisive and no decisive clues contradict them.
const (
	Decisive = 4

	weightRegisters = Decisive     // a register dump, which each architecture prints differently
	weightFile      = Decisive     // a frame in a file that only one architecture builds
	weightFault     = Decisive     // the pc of an instruction that faulted, aligned as arm64's never is
	weightNarrow    = Decisive     // stacks below 4 GiB: a 32-bit machine's
	weightPC        = Decisive     // the runtime's own frame in which the process died, so aligned, or with its pc one on the same stack
	weightOffset    = Decisive / 2 // any other frame's offset, so aligned; a word of the stack; where a goroutine was started
	weightJump      = Decisive / 2 // a jump to an address so aligned
	// misalignedShare is the share of the offsets that have to be unaligned: one in three. On
	// amd64 three in four are. On arm64 none is, unless the unwinder took a word
	// for a return address that is none.
	misalignedShare = 3
)

// registerDumps match a line, or a pair of lines, of the registers that the runtime
// prints at the end (runtime/signal_GOARCH.go, dumpregs). What has two columns is
// told apart by the last registers.
var registerDumps = []struct {
	arch  string
	match *pattern.Pattern
}{
	{"amd64", pattern.New(`(?m)^\s*rip +0x[0-9a-f]+\s*$`)},
	{"386", pattern.New(`(?m)^\s*eip +0x[0-9a-f]+\s*$`)},
	{"arm", pattern.New(`(?m)^\s*cpsr +0x[0-9a-f]+\s*$`)},
	{"arm64", pattern.New(`(?m)^\s*r29 +0x[0-9a-f]+\s*$`)},
	{"riscv64", pattern.New(`(?m)^\s*ra +0x[0-9a-f]+\s+sp +0x`)},
	{"ppc64x", pattern.New(`(?m)^\s*pc +0x[0-9a-f]+\s+ctr +0x`)},
	{"mips", pattern.New(`(?m)^\s*lo +0x[0-9a-f]+\s+hi +0x`)},
	{"loong64", pattern.New(`(?m)^\s*r30 +0x[0-9a-f]+\s+r31 +0x[0-9a-f]+\s+pc +0x[0-9a-f]+\s+link +0x[0-9a-f]+\s*(?:\n\s*[^l]|\z)`)},
	{"s390x", pattern.New(`(?m)^\s*r14 +0x[0-9a-f]+\s+r15 +0x[0-9a-f]+\s+pc +0x[0-9a-f]+\s+link `)},
}

// archSuffix matches names of files that are built for one architecture.
var archSuffix = regexp.MustCompile(`_(arm64|amd64|386|arm|ppc64x?|ppc64le|riscv64|riscvx|s390x|loong64|mips(?:64)?(?:x|le)?)\.(?:s|go)$`)

// faultAddresses match where the runtime says that a fault was: its address, if it
// is known, and its pc.
var faultAddresses = []*pattern.Pattern{
	pattern.New(`(?m)^PC=0x(?P<pc>[0-9a-f]{1,16}) m=[0-9]+ sigcode=-?[0-9]+(?: addr=0x(?P<addr>[0-9a-f]{1,16}))?`),
	pattern.New(`(?m)^Exception 0x[0-9a-f]+ 0x[0-9a-f]+ 0x(?P<addr>[0-9a-f]{1,16}) 0x(?P<pc>[0-9a-f]{1,16})$`),
	pattern.New(`(?m)^\[signal [^\n]*? addr=0x(?P<addr>[0-9a-f]{1,16}) pc=0x(?P<pc>[0-9a-f]{1,16})\]`),
}

// clues returns what the log shows of its architecture.
func (f *Facts) clues() (clues []Clue) {
	for _, d := range registerDumps {
		if m := d.match.FindSubmatch(f.messages); m != nil {
			line, _, _ := bytes.Cut(bytes.TrimSpace(m[0]), []byte("\n"))
			clues = append(clues, Clue{d.arch, weightRegisters, fmt.Sprintf("the register dump is that of %s: %s", d.arch, line)})
		}
	}
	seen := map[string]bool{}
	for _, frame := range f.Frames {
		if strings.IndexByte(frame.File, '_') < 0 {
			continue
		}
		base := path.Base(strings.ReplaceAll(frame.File, `\`, "/"))
		if m := archSuffix.FindStringSubmatch(base); m != nil && !seen[m[1]] {
			seen[m[1]] = true
			clues = append(clues, Clue{m[1], weightFile, fmt.Sprintf("%s is in %s", frame.Func, base)})
		}
	}
	if what := f.narrowStack(); what != "" {
		clues = append(clues, Clue{notARM64, weightNarrow, what})
	}
	if what, weight := misalignedFault(f.messages); what != "" {
		clues = append(clues, Clue{notARM64, weight, what})
	}
	clues = append(append(clues, startClues(f.log)...), f.dumpClues()...)
	return append(clues, f.misalignedFrames()...)
}

// narrowStack describes stacks that are below 4 GiB. On arm64 they are above: the heap
// begins at 0x4000000000, or where the kernel or chance has it (runtime/malloc.go,
// mallocinit).
func (f *Facts) narrowStack() string {
	const low, high = 1 << 16, 1 << 32
	if u := f.Unwinder; u != nil && u.Lo >= low && u.Hi > u.Lo && u.Hi < high {
		return fmt.Sprintf("its stack [%#x,%#x) is that of a 32-bit machine", u.Lo, u.Hi)
	}
	n := 0
	for _, frame := range f.Frames {
		switch {
		case frame.FP >= high:
			return ""
		case frame.FP >= low && frame.FP >= frame.SP && frame.SP >= low:
			n++
		}
	}
	if n > 1 {
		return fmt.Sprintf("its %d frames are at addresses of a 32-bit machine", n)
	}
	return ""
}

// misalignedFault describes an instruction that faulted at an address that is
// not a multiple of 4. One whose own address is the fault, or may be, is a jump to
// nowhere: arm64 has a SIGBUS for it, but not every emulator of arm64.
func misalignedFault(log []byte) (what string, weight int) {
	for _, place := range faultAddresses {
		m := place.FindSubmatch(log)
		if m == nil {
			continue
		}
		pc, addr := m[place.SubexpIndex("pc")], m[place.SubexpIndex("addr")]
		n := hex(pc)
		if n%4 == 0 {
			continue
		}
		what = fmt.Sprintf("an instruction faulted at %#x: arm64 has them at multiples of 4", n)
		switch {
		case len(addr) > 0 && hex(addr) != n:
			return what, weightFault
		case bytes.Contains(log, []byte("SIGSEGV")):
			return what, weightJump
		}
	}
	return "", 0
}

// misalignedFrames returns clues from offsets of frames that are not multiples of 4.
// The runtime prints exact pcs and exact offsets: it backs up into the call only
// to look up the line (runtime/traceback.go, traceback2 and printcreatedby1).
// What follows a preempted frame is left out: a return address that the unwinder
// read there may be any word.
func (f *Facts) misalignedFrames() (clues []Clue) {
	known, off := 0, 0
	lost := -1 // the stack whose frames are not believed any more
	for i, frame := range f.Frames {
		if !frame.HasOffset || frame.Stack == lost {
			continue
		}
		if frame.Preempted {
			lost = frame.Stack
		}
		known++
		if frame.Offset%4 == 0 {
			continue
		}
		off++
		c := Clue{notARM64, weightOffset, fmt.Sprintf("the pc is %s+%#x: arm64 has instructions at multiples of 4", frame.Func, frame.Offset)}
		// The stack on which the process died is the first. If it was not
		// preempted, its frames are what they say.
		if frame.Stack == 0 && frame.Header != headerCutOff && strings.HasPrefix(frame.Func, "runtime.") &&
			(i == 0 || frame.PC%4 != 0 && (frame.PC-frame.Offset)%16 == 0) {
			c.Weight = weightPC
		}
		clues = append(clues, c)
	}
	if off*misalignedShare < known {
		return nil
	}
	return clues
}

// weighClues sets the architecture by the clues.
func (f *Facts) weighClues() {
	weights := map[string]int{}
	names := map[string]bool{}
	for _, c := range f.Clues {
		side := notARM64
		if c.Arch == "arm64" {
			side = c.Arch
		} else if c.Arch != notARM64 {
			names[c.Arch] = true
		}
		if weights[side] += c.Weight; side == notARM64 && f.NotARM64 == "" {
			f.NotARM64 = c.What
		}
	}
	switch is, not := weights["arm64"] >= Decisive, weights[notARM64] >= Decisive; {
	case is && !not:
		f.Arch = "arm64"
	case not && !is && len(names) == 1:
		for name := range names {
			f.Arch = name
		}
	}
	if f.Arch == "arm64" || weights[notARM64] < Decisive || weights["arm64"] >= Decisive {
		f.NotARM64 = ""
	}
}

// toolchainFolder matches the folder of a toolchain in the path of a file of the runtime's,
// which names its release: /usr/local/go1.13.8, toolchain@v0.0.1-go1.23.4.linux-amd64,
// Cellar/go/1.20.6/libexec, hostedtoolcache/go/1.22.1/x64.
var toolchainFolder = regexp.MustCompile(`(?:\bgo|[/\\]go[/\\])(1\.[0-9]{1,3}(?:\.[0-9]{1,3})?(?:rc[0-9]+|beta[0-9]+)?)(?:\.(?:linux|darwin|windows|freebsd)-[a-z0-9]+)?(?:[/\\](?:libexec|x64|arm64|go))?[/\\]src[/\\]runtime[/\\]`)

// firstAsync is the release before which nothing is preempted asynchronously.
const firstAsync = "go1.14"

// oldThrow matches runtime.throw as releases before go1.14 print it: with a
// string as two words, and in the first thousand lines of panic.go; go1.14 has it at
// line 1112, and go1.18, which has it at line 992 again, prints the string in braces.
var oldThrow = pattern.New(`(?m)^runtime\.throw\(0x[0-9a-f]+, 0x[0-9a-f]+\)\n\s*[^\n]*[/\\]?panic\.go:([0-9]+) `)

// buildRelease returns the release that the frames show; or, for old ones, that
// the process was built by an older one.
func (f *Facts) buildRelease(log []byte) (release string, old bool) {
	for _, frame := range f.Frames {
		if !strings.Contains(frame.File, "src") {
			continue
		}
		if m := toolchainFolder.FindStringSubmatch(frame.File); m != nil {
			return "go" + m[1], false
		}
	}
	if m := oldThrow.FindSubmatch(log); m != nil {
		n, err := strconv.Atoi(string(m[1]))
		return "", err == nil && n < 1000
	}
	return "", false
}

// PreemptsAsync reports whether frames show that the runtime preempts asynchronously,
// or that it is of a release after the first that did.
func (f *Facts) PreemptsAsync() bool {
	return f.onAnyStack("runtime.asyncPreempt") || f.onAnyStack("runtime.(*unwinder).")
}
