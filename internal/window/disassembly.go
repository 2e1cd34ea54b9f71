package window

import (
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/arch/arm64/arm64asm"

	"splitadd/internal/objfile"
)

// Disassembly returns the instructions around a window, from the given number
// before it to the given number after it, as far as they are in its function.
// The window is marked.
func Disassembly(f *objfile.File, w Window, before, after int) string {
	var b strings.Builder
	for i := -before; i <= after; i++ {
		pc := w.PC + uint64(4*i)
		if pc < w.Entry {
			continue
		}
		word, err := f.Bytes(pc, 4)
		if err != nil {
			break
		}
		mark := ""
		if i == 0 {
			mark = "   <- " + w.Kind() + " window"
		}
		fmt.Fprintf(&b, "  %#x +%#x\t%08x\t%s%s\n", pc, pc-w.Entry, binary.LittleEndian.Uint32(word), instruction(word, pc), mark)
	}
	return b.String()
}

// instruction returns one instruction in the syntax of Go's assembler.
func instruction(word []byte, pc uint64) string {
	inst, err := arm64asm.Decode(word)
	if err != nil {
		return "?"
	}
	return arm64asm.GoSyntax(inst, pc, nil, nil)
}
