// Package arm64asm stands in for golang.org/x/arch/arm64/arm64asm. It knows no
// instruction, so that listings of code have the words alone.
package arm64asm

import "errors"

// An Inst is an instruction.
type Inst struct{}

// Decode fails.
func Decode([]byte) (Inst, error) { return Inst{}, errors.New("no disassembler in this module") }

// GoSyntax returns the text of an instruction.
func GoSyntax(Inst, uint64, func(uint64) (string, uint64), any) string { return "" }
