// Package repro writes a reproducer for a bug report, and proves that the reproducer crashes
// in a window: it builds the reproducer with a toolchain, pins it, and makes stress runs. It
// also writes the test suite as a separate module.
package repro

import (
	"fmt"
	"strings"

	"splitadd/internal/arm64"
)

// Kinds are the kinds of window that have a reproducer, with the default frame size of
// each in bytes.
var Kinds = map[string]int{"leaf SP": 65552, "leaf FP": 69632, "non-leaf SP": 65552}

const (
	saved    = 16        // bytes of a frame that hold the return address and the caller's R29
	maxArray = 128 << 10 // the largest stack variable that every release allows, bytes
	// MaxFrame is the largest frame of a reproducer, in bytes. With a larger one the
	// source would be too long to read.
	MaxFrame = 2*maxArray + saved
	filled   = 512 // words of garbage; the partial sum is wrong by less than 4 KiB
)

// Source returns the reproducer of a kind of window: a main.go of at most 40 lines in
// the language of Go 1.18, which uses only the standard library. Frame is in bytes. It
// is an error if frame is not a multiple of 16, or if the assembler's rule
// (cmd/internal/obj/arm64, C_ADDCON2) does not make this kind of window for it.
func Source(kind string, frame int) ([]byte, error) {
	if _, ok := Kinds[kind]; !ok {
		return nil, fmt.Errorf("no reproducer for %q", kind)
	}
	sum := frame
	if kind == "leaf FP" {
		sum -= 8
	}
	switch {
	case frame%16 != 0 || frame < 32 || frame > MaxFrame:
		return nil, fmt.Errorf("a frame of %d bytes: want a multiple of 16 up to %d", frame, MaxFrame)
	case arm64.Expand(uint64(sum)) != arm64.TwoADDs:
		return nil, fmt.Errorf("a frame of %d bytes has no %s window: ADD $%d is not split", frame, kind, sum)
	}
	var b strings.Builder
	line := func(text string, args ...any) { fmt.Fprintf(&b, text+"\n", args...) }
	line("package main\n")
	if kind == "leaf FP" {
		line("import (\n\t\"io\"\n\t\"runtime\"\n\t\"runtime/trace\"\n)\n")
	} else {
		line("import \"runtime\"\n")
	}
	if kind == "non-leaf SP" {
		line("//go:noinline\nfunc call() {}\n")
	}
	line("//go:noinline\nfunc victim(fill bool) (sum uint64) { // a frame of %d bytes", frame)
	if kind == "non-leaf SP" {
		line("\tcall()")
	}
	line("\tif fill {")
	for i, rest := 0, frame-saved; rest > 0; i, rest = i+1, rest-maxArray {
		line("\t\tvar a%d [%d]uint64", i, min(rest, maxArray)/8)
		line("\t\tfor i := 0; i < %d; i++ {\n\t\t\ta%d[i] = 0xe8e8e8e8e8e8e8e8 // no address of anything\n\t\t}", min(filled, min(rest, maxArray)/8), i)
		line("\t\tsum += a%d[1]", i)
	}
	line("\t}")
	line("\treturn sum\n}\n")
	line("func main() {")
	gap := " "
	if kind == "leaf FP" {
		line("\t_ = trace.Start(io.Discard) // it unwinds by frame pointer")
		gap = "   " // as gofmt aligns the comments
	}
	line("\tn := 4 * runtime.NumCPU()" + gap + "// so that most wait for a CPU when they are preempted")
	line("\truntime.GOMAXPROCS(n + 1)")
	line("\tfor i := 0; i < n; i++ {\n\t\tgo func() {\n\t\t\tfor j := 0; ; j++ {\n\t\t\t\tvictim(j%%8192 == 0)\n\t\t\t}\n\t\t}()\n\t}")
	line("\tfor {\n\t\truntime.GC()\n\t}\n}")
	return []byte(b.String()), nil
}
