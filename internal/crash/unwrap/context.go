package unwrap

import (
	"splitadd/internal/crash/syntax"
)

// Lines are read if they are this near to an anchor: a line that every crash has. The bound is
// more than the lines of a goroutine, of which the runtime prints at most 100 frames.
const (
	nearLines = 240
	nearBytes = 64 << 10
)

// A contextFilter passes on the lines that are near to an anchor.
type contextFilter struct {
	visit func(number int, text []byte)

	before [nearLines]struct { // a ring of the last lines that were not passed on
		number int
		text   []byte
	}
	first, count, bytes int // the ring's first line, its lines, and their bytes
	after, afterBytes   int // lines and bytes that are still near to the last anchor
}

// line takes a line.
func (f *contextFilter) line(number int, text []byte) {
	anchor := syntax.HasAnchor(text)
	if anchor {
		for ; f.count > 0; f.drop() {
			b := &f.before[f.first]
			f.visit(b.number, b.text)
		}
		f.after, f.afterBytes = nearLines, nearBytes
	}
	if anchor || f.after > 0 && f.afterBytes > 0 {
		if !anchor {
			f.after--
			f.afterBytes -= len(text)
		}
		f.visit(number, text)
		return
	}
	text = trimEnd(text, "\r\n")
	if len(text) > nearBytes {
		for f.count > 0 {
			f.drop()
		}
		return
	}
	for f.count == nearLines || f.count > 0 && f.bytes+len(text) > nearBytes {
		f.drop()
	}
	b := &f.before[(f.first+f.count)%nearLines]
	b.number = number
	b.text = append(b.text[:0], text...)
	f.count++
	f.bytes += len(text)
}

// drop removes the first line of the ring.
func (f *contextFilter) drop() {
	b := &f.before[f.first]
	f.bytes -= len(b.text)
	if cap(b.text) > 4<<10 {
		b.text = nil
	}
	f.first = (f.first + 1) % nearLines
	f.count--
}
