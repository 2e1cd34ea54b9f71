package crash

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize/english"

	"splitadd/internal/crash/unwrap"
)

// Omitted counts what was not read of an input because of a bound.
type Omitted struct {
	LongCrashes        int // crashes whose end was not read
	InterruptedCrashes int // crashes that may have gone on after many lines of other sources
	LateCrashes        int // crashes that came after many different ones
	WordyCrashes       int // crashes in which the runtime printed more messages than were read
	JSONLines          int // lines with JSON that was not read
	ManyPrefixLines    int // lines with a prefix that came after too many other prefixes
	LongPrefixLines    int // lines with a prefix that is too long
	FirstLine          int // the number of the first line of all these
}

// Add adds one to a field of o, for something that begins in the given line.
func (o *Omitted) Add(field *int, line int) {
	if *field++; o.FirstLine == 0 || line < o.FirstLine {
		o.FirstLine = line
	}
}

// String describes what was omitted, in one line. If everything was read, it returns "".
func (o Omitted) String() string {
	var parts []string
	add := func(n int, noun, what string) {
		if n > 0 {
			parts = append(parts, english.Plural(n, noun, "")+" "+what)
		}
	}
	add(o.LongCrashes, "crash", fmt.Sprintf("of more than %d bytes, whose end was not read", maxLog))
	add(o.InterruptedCrashes, "crash", "that may have gone on after many lines of other processes")
	add(o.LateCrashes, "crash", "that came after many different ones")
	add(o.WordyCrashes, "crash", fmt.Sprintf("in which the runtime printed more than %d bytes, not all of which were read", maxMessages))
	add(o.JSONLines, "line", "with JSON that is too deep or has too many different members")
	add(o.ManyPrefixLines, "line", "that may belong to a crash, with a prefix that came after too many others")
	add(o.LongPrefixLines, "line", fmt.Sprintf("that may belong to a crash, with a prefix of more than %d bytes", unwrap.MaxPrefix))
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s; the first begins in line %d", strings.Join(parts, "; "), o.FirstLine)
}
