package arm64_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	. "splitadd/internal/arm64"
)

// An operand is an operand of a disassembled instruction.
type operand struct {
	kind byte   // one of the constants below
	reg  int8   // number: 31 is SP, ZR is the zero register
	reg2 int8   // of memory: the index, or NoRegister
	k    uint32 // of a vector register: the logarithm of how many of its bytes are used
	n    int    // of a list: how many registers
	imm  int64  // constant; displacement; shift
	ext  Extend
	lane bool // an element of a vector
	pre  bool // memory with "!"
}

const (
	wordReg   = 'w'
	longReg   = 'x'
	vectorReg = 'v'
	memory    = '['
	immediate = '#'
	extension = 'e'
	label     = 'l'
	other     = '?' // conditions, system registers and other names
)

// An instruction is a disassembled word.
type instruction struct {
	name string
	ops  []operand
	text string
}

// parse reads an instruction in the syntax that objdump and arm64asm have in common. For a
// label, imm is the distance from the instruction, or from its page for ADRP.
func parse(text string, addr int64) (instruction, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	name, rest, _ := strings.Cut(text, " ")
	in := instruction{name: name, text: text}
	depth, from := 0, 0
	for i := 0; i <= len(rest); i++ {
		switch {
		case i == len(rest), rest[i] == ',' && depth == 0:
			if token := strings.TrimSpace(rest[from:i]); token != "" {
				o, err := parseOperand(token)
				if err != nil {
					return in, fmt.Errorf("%s: %w", text, err)
				}
				if o.kind == label && token[0] != '.' {
					if o.imm -= addr; name == "adrp" {
						o.imm += addr & 0xfff
					}
				}
				in.ops = append(in.ops, o)
			}
			from = i + 1
		case strings.IndexByte("[{", rest[i]) >= 0:
			depth++
		case strings.IndexByte("]}", rest[i]) >= 0:
			depth--
		}
	}
	return in, nil
}

var (
	general  = regexp.MustCompile(`^([wx])(\d+|zr|sp)$`)
	simple   = regexp.MustCompile(`^([bhsdq])(\d+)$`)
	arranged = regexp.MustCompile(`^v(\d+)\.(\d*)([bhsdq])(?:\[(\d+)\])?$`)
	list     = regexp.MustCompile(`^\{([^}]*)\}(\[\d+\])?$`)
	shifted  = regexp.MustCompile(`^(uxt[bhwx]|sxt[bhwx]|ls[lr]|asr|ror|msl)(?: #(\d+))?$`)
)

var extends = map[string]Extend{
	"uxtb": UXTB, "uxth": UXTH, "uxtw": UXTW, "uxtx": UXTX, "sxtb": SXTB, "sxth": SXTH,
	"sxtw": SXTW, "sxtx": SXTX, "lsl": LSL, "lsr": LSR, "asr": ASR, "ror": ROR, "msl": LSL,
}

// logarithms are the binary logarithms of the widths of elements, in bytes.
var logarithms = map[string]uint32{"b": 0, "h": 1, "s": 2, "d": 3, "q": 4}

func parseOperand(s string) (operand, error) {
	if s == "sp" {
		s = "xsp"
	}
	if m := general.FindStringSubmatch(s); m != nil {
		return operand{kind: m[1][0], reg: registerNumber(m[2])}, nil
	}
	if m := simple.FindStringSubmatch(s); m != nil {
		return operand{kind: vectorReg, reg: registerNumber(m[2]), k: logarithms[m[1]], n: 1}, nil
	}
	if m := arranged.FindStringSubmatch(s); m != nil {
		o := operand{kind: vectorReg, reg: registerNumber(m[1]), k: logarithms[m[3]], n: 1, lane: m[4] != ""}
		if m[2] != "" {
			for lanes, _ := strconv.Atoi(m[2]); lanes > 1; lanes /= 2 {
				o.k++
			}
		}
		if o.lane {
			index, _ := strconv.Atoi(m[4])
			for size := o.k; 1<<o.k < (index+1)<<size; {
				o.k++
			}
		}
		return o, nil
	}
	if m := list.FindStringSubmatch(s); m != nil {
		return parseList(m[1], m[2])
	}
	if m := shifted.FindStringSubmatch(s); m != nil {
		n, _ := strconv.Atoi(m[2])
		return operand{kind: extension, ext: extends[m[1]], imm: int64(n)}, nil
	}
	switch {
	case s == "": // an empty list of SVE
	case s[0] == '[':
		return parseMemory(s)
	case s[0] == '#':
		return operand{kind: immediate, imm: integer(s[1:])}, nil
	case s[0] == '.':
		return operand{kind: label, imm: integer(s[2:])}, nil
	case strings.HasPrefix(s, "0x"):
		return operand{kind: label, imm: integer(s)}, nil
	}
	return operand{kind: other}, nil
}

// parseList reads "v0.16b-v3.16b" or "v0.s, v1.s", with the index that follows the list.
func parseList(registers, index string) (operand, error) {
	if i := strings.IndexByte(registers, '-'); i > 0 {
		o, err := parseOperand(strings.TrimSpace(registers[:i]) + index)
		last, _ := parseOperand(strings.TrimSpace(registers[i+1:]) + index)
		o.n = int(last.reg-o.reg)&31 + 1
		return o, err
	}
	all := strings.Split(registers, ",")
	o, err := parseOperand(strings.TrimSpace(all[0]) + index)
	o.n = len(all)
	return o, err
}

// parseMemory reads an address such as "[x0, #8]!" or "[x0, w1, sxtw #2]".
func parseMemory(s string) (operand, error) {
	o := operand{kind: memory, reg2: NoRegister, pre: strings.HasSuffix(s, "!")}
	for i, part := range strings.Split(strings.Trim(s, "[]!"), ",") {
		p, err := parseOperand(strings.TrimSpace(part))
		if err != nil {
			return o, err
		}
		switch {
		case i == 0:
			o.reg = p.reg
		case p.kind == immediate:
			o.imm = p.imm
		case p.kind == extension:
			if o.imm = p.imm; p.ext != LSL {
				o.ext = p.ext
			}
		default:
			o.reg2, o.ext = p.reg, UXTX
			if p.kind == wordReg {
				o.ext = UXTW
			}
		}
	}
	return o, nil
}

func registerNumber(s string) int8 {
	switch s {
	case "zr":
		return ZR
	case "sp":
		return SP
	}
	n, _ := strconv.Atoi(s)
	return int8(n)
}

// integer reads an integer, and returns 0 for anything else, such as a fraction.
func integer(s string) int64 {
	if n, err := strconv.ParseInt(s, 0, 64); err == nil {
		return n
	}
	n, _ := strconv.ParseUint(s, 0, 64)
	return int64(n)
}
