package crash

import (
	"bytes"
	"fmt"
	"strconv"

	"splitadd/internal/crash/pattern"
)

// symbol matches a word of a hexdump of the stack that is a place in the code, with
// the address of its line: before go1.16 with a decimal offset. The secondSymbol of a line's
// two words has a group of its own.
var (
	dumpLine     = pattern.New(`(?m)^(?:0x)?([0-9a-f]{8,16}): [^\n]*$`)
	symbol       = pattern.New(`<([^<>\n]+)\+(0x[0-9a-f]{1,8}|[0-9]{1,9})>`)
	secondSymbol = pattern.New(`^(?:0x)?[0-9a-f]{8,16}: +[0-9a-f]{8,16} (?:<[^<>]*> ?)? *[0-9a-f]{8,16} <([^<>]+)\+(0x[0-9a-f]{1,8}|[0-9]{1,9})>`)
)

// dumpClues returns clues from words of a hexdump of the stack that are places in
// the code at which arm64 has no instruction. A word may be a number by chance, so
// that one does not decide, unless it stands where amd64's CALL has put it: right
// below the frame of its function.
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
			if u != nil && u.SP > 0 && w != nil && string(w[1]) == u.Func && bytes.Equal(w[2], m[2]) && hex(line[1])+16 == u.SP {
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

// startedAt matches where a goroutine was started. The runtime keeps the pc; the
// unwinder has no part in it.
var startedAt = pattern.New(`(?m)^created by (\S+)[^\n]*\n\s*[^\n]*:[0-9]+ \+0x([0-9a-f]{1,8})(?: [^\n]*)?$`)

// startClues returns clues from where goroutines were started.
func startClues(log []byte) (clues []Clue) {
	for _, m := range startedAt.FindAllSubmatch(log, 100) {
		if hex(m[2])%4 != 0 {
			return []Clue{{notARM64, weightOffset, fmt.Sprintf("a goroutine was started at %s+0x%s: arm64 has instructions at multiples of 4", m[1], m[2])}}
		}
	}
	return nil
}
