package unwrap

import (
	"splitadd/internal/crash/syntax"
)

// Bounds on what is looked at on either side of a line that every crash has: more
// than the lines of a goroutine of 100 frames, of which the runtime prints no more.
const (
	nearLines = 240
	nearBytes = 64 << 10
)

// contextFilter passes on the lines that are contextFilter to an anchor.
type contextFilter struct {
	visit func(number int, text []byte)

	before [nearLines]struct {
		number int
		text   []byte
	}
	first, count, bytes int // of before, which is a ring
	after, afterBytes   int // lines and bytes to pass on
}

func (n *contextFilter) line(number int, text []byte) {
	anchor := syntax.HasAnchor(text)
	if anchor {
		for ; n.count > 0; n.drop() {
			b := &n.before[n.first]
			n.visit(b.number, b.text)
		}
		n.after, n.afterBytes = nearLines, nearBytes
	}
	if anchor || n.after > 0 && n.afterBytes > 0 {
		if !anchor {
			n.after--
			n.afterBytes -= len(text)
		}
		n.visit(number, text)
		return
	}
	text = trimEnd(text, "\r\n")
	if len(text) > nearBytes {
		for n.count > 0 {
			n.drop()
		}
		return
	}
	for n.count == nearLines || n.count > 0 && n.bytes+len(text) > nearBytes {
		n.drop()
	}
	b := &n.before[(n.first+n.count)%nearLines]
	b.number = number
	b.text = append(b.text[:0], text...)
	n.count++
	n.bytes += len(text)
}

// drop forgets the first line.
func (n *contextFilter) drop() {
	b := &n.before[n.first]
	n.bytes -= len(b.text)
	if cap(b.text) > 4<<10 {
		b.text = nil
	}
	n.first = (n.first + 1) % nearLines
	n.count--
}
