package crash

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"strings"

	"splitadd/internal/crash/pattern"
)

// A Clue is one thing in a log that shows on which architecture the process ran.
//
// The architecture of the host that built the binary is not a clue, although the path of
// a toolchain may name it:
// golang.org/toolchain@v0.0.1-go1.23.4.linux-amd64/src/runtime/proc.go. Lines that other
// programs print near a crash are not clues either.
type Clue struct {
	// Arch is a GOARCH, a file suffix that stands for two of them, as "ppc64x" does, or
	// notARM64.
	Arch   string
	Weight int    // one of the weights below
	What   string // a description for people
}

// notARM64 is the Arch of a clue that excludes arm64 and does not name an architecture.
const notARM64 = "not arm64"

// Weights of clues. The clues for an architecture, or against arm64, decide if their
// weights add up to at least Decisive and the clues that contradict them do not.
const (
	Decisive = 4

	weightRegisters = Decisive     // a register dump: each architecture prints it differently
	weightFile      = Decisive     // a frame in a file that is built for one architecture only
	weightFault     = Decisive     // an instruction faulted at a misaligned pc
	weightNarrow    = Decisive     // stacks below 4 GiB, as a 32-bit machine has them
	weightPC        = Decisive     // a frame of the runtime, on the stack on which the process died, has a misaligned pc
	weightOffset    = Decisive / 2 // a misaligned offset: of any other frame, of a word on the stack, or of where a goroutine was started
	weightJump      = Decisive / 2 // a jump to a misaligned address

	// Misaligned offsets count only if at least one offset in misalignedShare is
	// misaligned. On amd64 three in four are. On arm64 an offset is misaligned only if the
	// unwinder mistook a word for a return address.
	misalignedShare = 3
)

// registerDumps match one or two lines of the registers that the runtime prints at the
// end (runtime/signal_GOARCH.go, dumpregs). If an architecture prints two registers on a
// line, the pattern matches the last registers, because only they differ between such
// architectures.
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

// archSuffix matches the name of a file that is built for one architecture only.
var archSuffix = regexp.MustCompile(`_(arm64|amd64|386|arm|ppc64x?|ppc64le|riscv64|riscvx|s390x|loong64|mips(?:64)?(?:x|le)?)\.(?:s|go)$`)

// faultAddresses match the runtime's messages about a fault. The group "pc" is the pc, and
// "addr" is the address, if it is known.
var faultAddresses = []*pattern.Pattern{
	pattern.New(`(?m)^PC=0x(?P<pc>[0-9a-f]{1,16}) m=[0-9]+ sigcode=-?[0-9]+(?: addr=0x(?P<addr>[0-9a-f]{1,16}))?`),
	pattern.New(`(?m)^Exception 0x[0-9a-f]+ 0x[0-9a-f]+ 0x(?P<addr>[0-9a-f]{1,16}) 0x(?P<pc>[0-9a-f]{1,16})$`),
	pattern.New(`(?m)^\[signal [^\n]*? addr=0x(?P<addr>[0-9a-f]{1,16}) pc=0x(?P<pc>[0-9a-f]{1,16})\]`),
}

// clues returns everything in the log that shows the architecture.
func (f *Facts) clues() (clues []Clue) {
	for _, d := range registerDumps {
		if m := d.match.FindSubmatch(f.messages); m != nil {
			line, _, _ := bytes.Cut(bytes.TrimSpace(m[0]), []byte("\n"))
			clues = append(clues, Clue{d.arch, weightRegisters, fmt.Sprintf("the registers are printed as on %s: %s", d.arch, line)})
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

// narrowStack describes a stack that is below 4 GiB, or returns "" if there is none. On
// arm64 stacks are above: the heap begins at 0x4000000000, at an address that the kernel
// chooses, or at a random address (runtime/malloc.go, mallocinit).
func (f *Facts) narrowStack() string {
	const low, high = 1 << 16, 1 << 32
	if u := f.Unwinder; u != nil && u.Lo >= low && u.Hi > u.Lo && u.Hi < high {
		return fmt.Sprintf("its stack [%#x,%#x) is below 4 GiB, as on a 32-bit machine", u.Lo, u.Hi)
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
		return fmt.Sprintf("its %d frames are below 4 GiB, as on a 32-bit machine", n)
	}
	return ""
}

// weighClues sets Arch and NotARM64 from the clues.
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
