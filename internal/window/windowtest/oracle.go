// Package windowtest gives tests a second opinion on windows. Its oracle is a plain
// interpreter of the stack and frame pointer. It shares only the function table with
// the finder. It reads the disassembler's text, follows one path after the other with
// numbers in its registers, and looks at every state that it reaches.
package windowtest

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/arch/arm64/arm64asm"

	"splitadd/internal/pclntab"
	"splitadd/internal/window"
)

// A Point is a class of window at a pc.
type Point struct {
	Class window.Class
	PC    uint64
}

type oracle struct {
	fn          pclntab.Func
	code        []byte
	unwindsFP   bool
	writesBelow uint64 // bytes under the stack pointer that a preemption writes to
	pcsp        pclntab.PCValues
	points      pclntab.SafePoints
	seen        map[string]bool
	count       map[uint64]int
	found       map[Point]bool
	invalid     bool // there is a word that is not an instruction
}

// PreemptionWrites returns how many bytes below a goroutine's stack pointer the runtime
// overwrites when it preempts the goroutine: in sigctxt.pushCall
// (runtime/signal_arm64.go), asyncPreempt and asyncPreempt2. If the table does not
// name these functions, it returns the largest value of all releases.
func PreemptionWrites(table *pclntab.Table) uint64 {
	sum := uint64(16)
	for _, name := range []string{"runtime.asyncPreempt", "runtime.asyncPreempt2"} {
		fn, ok := table.LookupFunc(name)
		if !ok {
			return 16 + 496 + 32
		}
		pcsp, err := fn.PCSP()
		if err != nil {
			return 16 + 496 + 32
		}
		if len(pcsp) > 0 {
			sum += uint64(max(0, slices.MaxFunc(pcsp, func(a, b pclntab.PCValue) int { return int(a.Value) - int(b.Value) }).Value))
		}
	}
	return sum
}

// Interpret returns the windows of a function in which the runtime preempts,
// and whether all that was reached are instructions. The code is the function's.
func Interpret(fn pclntab.Func, code []byte, unwindsFP bool, writesBelow uint64) (found map[Point]bool, ok bool) {
	o := &oracle{fn: fn, code: code, unwindsFP: unwindsFP, writesBelow: writesBelow, seen: map[string]bool{}, count: map[uint64]int{}, found: map[Point]bool{}}
	o.pcsp, _ = fn.PCSP()
	o.points, _ = fn.SafePoints()
	o.path(fn.Entry, cpu{map[string]uint64{"SP": entrySP, "X29": entrySP - 8}, map[uint64]bool{}})
	if r := fn.DeferReturn(); r != 0 {
		o.resume(fn.Entry + uint64(r)&^3) // as walk does with an offset that is not an instruction's
	}
	// The targets of a jump table are not known. Any instruction not reached may be one.
	for pc := fn.Entry; pc < fn.End && o.jumps(); pc += 4 {
		if o.count[pc] == 0 {
			o.resume(pc)
		}
	}
	return o.found, !o.invalid
}

func (o *oracle) jumps() bool {
	for pc := o.fn.Entry; pc < o.fn.End; pc += 4 {
		if inst, err := arm64asm.Decode(o.code[pc-o.fn.Entry:]); err == nil && inst.Op == arm64asm.BR {
			return true
		}
	}
	return false
}

// resume begins a path in the middle of a function, with the stack pointer that pcsp
// claims there.
func (o *oracle) resume(pc uint64) {
	below, _ := o.pcsp.At(o.fn.Entry, pc)
	sp := entrySP - uint64(int64(below))
	o.path(pc, cpu{map[string]uint64{"SP": sp, "X29": sp - 8}, map[uint64]bool{sp - 8: true}})
}

// path follows the code from a pc, and every branch on the way.
func (o *oracle) path(pc uint64, c cpu) {
	for pc >= o.fn.Entry && pc < o.fn.End {
		sp, spKnown := c.regs["SP"]
		fp, fpKnown := c.regs["X29"]
		key := strings.Join([]string{hex(pc), hex(sp), hex(fp), strconv.FormatBool(spKnown), strconv.FormatBool(fpKnown)}, " ")
		if o.seen[key] || o.count[pc] > 40 {
			return
		}
		o.seen[key] = true
		o.count[pc]++
		o.checkBoundary(pc, sp, spKnown, fp, fpKnown, c.places)

		inst, err := arm64asm.Decode(o.code[pc-o.fn.Entry:])
		if err != nil {
			o.invalid = o.invalid || o.code[pc-o.fn.Entry+2] != 0 || o.code[pc-o.fn.Entry+3] != 0
			return
		}
		text := inst.String()
		op, operands, _ := strings.Cut(text, " ")
		c = c.clone()
		switch {
		case op == "BL" || op == "BLR":
			if o.pcspChangesAfter(pc) {
				return
			}
			for r := range c.regs {
				if r != "SP" && r != "X29" {
					delete(c.regs, r)
				}
			}
		case op == "RET" || op == "BR" || op == "BRK":
			return
		case op == "NOP":
			if pc > o.fn.Entry && o.pcspChangesAfter(pc) {
				before, err := arm64asm.Decode(o.code[pc-o.fn.Entry-4:])
				_, conditional := before.Args[0].(arm64asm.Cond)
				if err == nil && !conditional && strings.Contains(" BL BLR B RET BR BRK ", " "+before.Op.String()+" ") {
					return
				}
			}
		case op == "B" || strings.HasPrefix(op, "CB") || strings.HasPrefix(op, "TB") && strings.Contains(operands, ".+"):
			_, offset, _ := strings.Cut(operands, ".+")
			by, _ := strconv.ParseUint(offset, 0, 64)
			if op == "B" && strings.HasPrefix(operands, ".+") {
				pc += by
				continue
			}
			o.path(pc+by, c.clone())
		default:
			c.execute(op, operands)
		}
		pc += 4
	}
}

// pcspChangesAfter reports whether pcsp changes after an instruction.
func (o *oracle) pcspChangesAfter(pc uint64) bool {
	here, _ := o.pcsp.At(o.fn.Entry, pc)
	next, _ := o.pcsp.At(o.fn.Entry, pc+4)
	return here != next
}

// checkBoundary notes the windows at a pc.
func (o *oracle) checkBoundary(pc, sp uint64, spKnown bool, fp uint64, fpKnown bool, places map[uint64]bool) {
	resume, why := o.points.At(pc)
	if why != "" {
		return
	}
	below, _ := o.pcsp.At(o.fn.Entry, resume)
	claimed := entrySP - uint64(int64(below))
	if !spKnown || sp != claimed {
		o.found[Point{window.SP, pc}] = true
	}
	switch {
	case !o.unwindsFP || fpKnown && (fp == entrySP-8 || fp == claimed-8):
	case fpKnown && spKnown && (fp == sp-8 || fp == sp-24):
	case fpKnown && spKnown && places[fp] && fp+16+o.writesBelow <= sp: // popped, and intact
	default:
		o.found[Point{window.FP, pc}] = true
	}
}

func hex(n uint64) string { return strconv.FormatUint(n, 16) }
