package victim

import "fmt"

// A pin is an instruction that was replaced by a branch to itself.
type pin struct {
	address uint64 // of the instruction in the guest's memory; 0 means that there is no pin
	word    uint32 // the instruction that was replaced
}

// Pin returns the value of Config.Pin for a pin. The guest's file must have a branch to
// itself at the address, in the place of word.
func Pin(address uint64, word uint32) string { return fmt.Sprintf("%x:%08x", address, word) }

func parsePin(text string) (p pin, err error) {
	if text == "" {
		return p, nil
	}
	var rest string
	if n, _ := fmt.Sscanf(text, "%x:%x%s", &p.address, &p.word, &rest); n != 2 || p.address == 0 || p.address%4 != 0 {
		return pin{}, fmt.Errorf("-pin=%s: want the address of an instruction, a colon and a word, hexadecimal", text)
	}
	return p, nil
}
