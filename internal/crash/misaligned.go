package crash

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"splitadd/internal/crash/pattern"
)

// misalignedFault describes a fault at a pc that is not a multiple of 4. If the address of
// the fault is the pc, or is not known, the fault may be a jump to a wrong address. On
// arm64 such a jump raises SIGBUS, but some emulators of arm64 raise SIGSEGV.
func misalignedFault(log []byte) (what string, weight int) {
	for _, place := range faultAddresses {
		m := place.FindSubmatch(log)
		if m == nil {
			continue
		}
		pc, addr := m[place.SubexpIndex("pc")], m[place.SubexpIndex("addr")]
		n := parseHex(pc)
		if n%4 == 0 {
			continue
		}
		what = fmt.Sprintf("an instruction faulted at %#x: arm64 has them at multiples of 4", n)
		switch {
		case len(addr) > 0 && parseHex(addr) != n:
			return what, weightFault
		case bytes.Contains(log, []byte("SIGSEGV")):
			return what, weightJump
		}
	}
	return "", 0
}

// misalignedFrames returns clues from frames whose offset is not a multiple of 4. The
// runtime prints exact pcs and offsets: it backs up into the call only to look up the line
// (runtime/traceback.go, traceback2 and printcreatedby1). Frames below a preempted frame
// do not count, because the unwinder may have mistaken any word for their return address.
func (f *Facts) misalignedFrames() (clues []Clue) {
	known, misaligned := 0, 0
	lost := -1 // the stack whose remaining frames do not count
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
		misaligned++
		c := Clue{notARM64, weightOffset, fmt.Sprintf("the pc is %s+%#x: arm64 has instructions at multiples of 4", frame.Func, frame.Offset)}
		// The process died on the first stack of the log. If no frame of it was
		// preempted, the unwinder read its frames correctly.
		if frame.Stack == 0 && frame.Header != headerCutOff && strings.HasPrefix(frame.Func, "runtime.") &&
			(i == 0 || frame.PC%4 != 0 && (frame.PC-frame.Offset)%16 == 0) {
			c.Weight = weightPC
		}
		clues = append(clues, c)
	}
	if misaligned*misalignedShare < known {
		return nil
	}
	return clues
}

// These patterns match the lines of a hexdump of a stack. Beside or below a word that is a
// pc, the runtime prints a symbol. Before go1.16 its offset is decimal.
var (
	dumpLine     = pattern.New(`(?m)^(?:0x)?([0-9a-f]{8,16}): [^\n]*$`)
	symbol       = pattern.New(`<([^<>\n]+)\+(0x[0-9a-f]{1,8}|[0-9]{1,9})>`)
	secondSymbol = pattern.New(`^(?:0x)?[0-9a-f]{8,16}: +[0-9a-f]{8,16} (?:<[^<>]*> ?)? *[0-9a-f]{8,16} <([^<>]+)\+(0x[0-9a-f]{1,8}|[0-9]{1,9})>`)
)

// dumpClues returns clues from words in a hexdump of a stack that look like misaligned
// return addresses. Any number may look like one by chance, so a single word does not
// decide. The exception is a word directly below the frame of its function, where the CALL
// instruction of amd64 puts the return address.
func (f *Facts) dumpClues() (clues []Clue) {
	seen := map[string]bool{}
	all := 0
	for _, line := range dumpLine.FindAllSubmatch(f.symbolDump, 1000) {
		for _, m := range symbol.FindAllSubmatch(line[0], 4) {
			place := string(m[0])
			if seen[place] {
				continue
			}
			seen[place] = true
			all++
			if n, err := strconv.ParseUint(string(m[2]), 0, 64); err != nil || n%4 == 0 {
				continue
			}
			clues = append(clues, Clue{notARM64, weightOffset, fmt.Sprintf("a return address is %s+%s: arm64 has instructions at multiples of 4", m[1], m[2])})
			u, w := f.Unwinder, secondSymbol.FindSubmatch(line[0])
			if u != nil && u.SP > 0 && w != nil && string(w[1]) == u.Func && bytes.Equal(w[2], m[2]) && parseHex(line[1])+16 == u.SP {
				clues[len(clues)-1].Weight = weightPC
				return clues[len(clues)-1:]
			}
		}
	}
	if len(clues)*misalignedShare < all {
		return nil
	}
	return clues
}

// startedAt matches the place where a goroutine was started. The runtime has stored this
// pc, so no failure of the unwinder can make it wrong.
var startedAt = pattern.New(`(?m)^created by (\S+)[^\n]*\n\s*[^\n]*:[0-9]+ \+0x([0-9a-f]{1,8})(?: [^\n]*)?$`)

// startClues returns a clue if a goroutine was started at a misaligned pc.
func startClues(log []byte) (clues []Clue) {
	for _, m := range startedAt.FindAllSubmatch(log, 100) {
		if parseHex(m[2])%4 != 0 {
			return []Clue{{notARM64, weightOffset, fmt.Sprintf("a goroutine was started at %s+0x%s: arm64 has instructions at multiples of 4", m[1], m[2])}}
		}
	}
	return nil
}
