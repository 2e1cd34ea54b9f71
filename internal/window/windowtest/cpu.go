package windowtest

import (
	"regexp"
	"strconv"
	"strings"
)

// entrySP is the stack pointer at a function's entry.
const entrySP = 1 << 40

// A cpu has the registers that are known, by name, and the places on the stack
// that hold the caller's frame pointer.
type cpu struct {
	regs   map[string]uint64
	places map[uint64]bool
}

func (c cpu) clone() cpu {
	n := cpu{map[string]uint64{}, map[uint64]bool{}}
	for k, v := range c.regs {
		n.regs[k] = v
	}
	for k := range c.places {
		n.places[k] = true
	}
	return n
}

var (
	memory = regexp.MustCompile(`\[(\w+)(?:,#(-?\d+))?(.*?)\](!)?(?:,#(-?\d+))?(,.*)?$`)
	number = regexp.MustCompile(`^#(0x[0-9a-f]+)(?:, LSL #(\d+))?$`)
	scaled = regexp.MustCompile(`^(\w+)(?:, LSL #(\d+))?$`)
)

// execute executes an instruction that goes to the next one.
func (c cpu) execute(op, operands string) {
	list := strings.Split(operands, ", ")
	first := list[0]
	switch op {
	case "ADD", "SUB":
		rest := strings.Join(list[2:], ", ")
		from, ok := c.regs[list[1]]
		by, known := c.operand(rest)
		if op == "SUB" {
			by = -by
		}
		c.set(first, from+by, ok && known)
	case "MOV", "MOVZ", "MOVN":
		by, known := c.operand(strings.Join(list[1:], ", "))
		c.set(first, by, known && op == "MOV")
	case "MOVK":
		m := number.FindStringSubmatch(strings.Join(list[1:], ", "))
		old, ok := c.regs[first]
		if m == nil {
			c.set(first, 0, false)
			return
		}
		n, _ := strconv.ParseUint(m[1], 0, 64)
		shift, _ := strconv.ParseUint("0"+m[2], 10, 8)
		c.set(first, old&^(0xffff<<shift)|n<<shift, ok)
	case "ORR":
		by, known := c.operand(strings.Join(list[2:], ", "))
		c.set(first, by, known && list[1] == "XZR" && strings.HasPrefix(list[2], "#"))
	default:
		c.memory(op, operands, list)
	}
}

// operand returns a constant, or a register that may be shifted.
func (c cpu) operand(text string) (uint64, bool) {
	if m := number.FindStringSubmatch(text); m != nil {
		n, _ := strconv.ParseUint(m[1], 0, 64)
		shift, _ := strconv.ParseUint("0"+m[2], 10, 8)
		return n << shift, true
	}
	if m := scaled.FindStringSubmatch(text); m != nil {
		n, ok := c.regs[m[1]]
		if m[1] == "XZR" {
			n, ok = 0, true
		}
		shift, _ := strconv.ParseUint("0"+m[2], 10, 8)
		return n << shift, ok
	}
	return 0, false
}

// set sets a register, by any of its names; a word register's value is not
// followed.
func (c cpu) set(name string, value uint64, known bool) {
	if strings.HasPrefix(name, "W") {
		name, known = strings.Replace(name, "W", "X", 1), false
		if name == "XSP" {
			name = "SP"
		}
	}
	if name == "XZR" {
		return
	}
	if !known {
		delete(c.regs, name)
		return
	}
	c.regs[name] = value
}

// memory executes the other instructions. It follows stores and loads of the frame
// pointer, and write-back. Any other instruction makes its destination unknown.
func (c cpu) memory(op, operands string, list []string) {
	m := memory.FindStringSubmatch(operands)
	store := strings.HasPrefix(op, "ST")
	if m != nil {
		base, ok := c.regs[m[1]]
		before, _ := strconv.ParseInt("0"+strings.TrimPrefix(m[2], "-"), 10, 64)
		if strings.HasPrefix(m[2], "-") {
			before = -before
		}
		after, _ := strconv.ParseInt("0"+strings.TrimPrefix(m[5], "-"), 10, 64)
		if strings.HasPrefix(m[5], "-") {
			after = -after
		}
		at := base + uint64(before)
		exact := ok && m[3] == ""
		pair := op == "STP" || op == "STNP" || op == "LDP" || op == "LDNP"
		plain := pair || op == "STR" || op == "STUR" || op == "LDR" || op == "LDUR"
		for i, name := range list {
			if !strings.HasPrefix(name, "X") {
				break
			}
			if i > 1 || i == 1 && !pair {
				break
			}
			place := at + uint64(8*i)
			switch fp, known := c.regs["X29"]; {
			case store && name == "X29" && known && fp == entrySP-8 && exact && plain:
				for p := range c.places {
					delete(c.places, p)
				}
				c.places[place] = true
			case !store && plain && exact && name == "X29" && m[1] == "SP" && c.places[place]:
				defer c.set(name, entrySP-8, true)
			}
		}
		if m[4] == "!" || m[5] != "" || m[6] != "" {
			c.set(m[1], at+uint64(after), exact && m[6] == "")
		}
	}
	if !writesFirst(op) {
		if strings.HasPrefix(op, "STX") || strings.HasPrefix(op, "STLX") {
			c.set(list[0], 0, false)
		}
		return
	}
	if strings.HasPrefix(list[0], "X") || strings.HasPrefix(list[0], "W") || list[0] == "SP" {
		c.set(list[0], 0, false)
	}
	if strings.HasPrefix(op, "LDP") || strings.HasPrefix(op, "LDNP") || strings.HasPrefix(op, "LDXP") || strings.HasPrefix(op, "LDAXP") {
		c.set(list[1], 0, false)
	}
}

var readers = regexp.MustCompile(`^(ST|CMP|CMN|CCM|TST|PRF|MSR|HINT|SYS$|D[CS]|IC|TLBI|AT$|SVC|HVC|SMC|HLT|DMB|ISB|CLREX|YIELD|WF|SEV)`)

func writesFirst(op string) bool { return !readers.MatchString(op) }
