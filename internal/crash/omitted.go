package crash

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize/english"

	"splitadd/internal/crash/unwrap"
)

// Omitted counts what of an input was not read because of a bound.
type Omitted struct {
	LongCrashes        int // crashes of which the end was not read
	InterruptedCrashes int // crashes that may have gone on after many others
	LateCrashes        int // crashes after many others that are different
	WordyCrashes       int // crashes in which the runtime said more than is looked at
	JSONLines          int // lines with JSON that was not read
	ManyPrefixLines    int // lines with a prefix, after too many others
	LongPrefixLines    int // lines with a prefix that is too long
	FirstLine          int // where the first of them begins
}

// Add counts one more, which begins in a line, of those that a field of o counts.
func (o *Omitted) Add(field *int, line int) {
	if *field++; o.FirstLine == 0 || line < o.FirstLine {
		o.FirstLine = line
	}
}

// String says it in a line; "" if everything was read.
func (o Omitted) String() string {
	var parts []string
	add := func(n int, noun, what string) {
		if n > 0 {
			parts = append(parts, english.Plural(n, noun, "")+" "+what)
		}
	}
	add(o.LongCrashes, "crash", fmt.Sprintf("of more than %d bytes, read up to there", maxLog))
	add(o.InterruptedCrashes, "crash", "that others interrupted for long, and may have gone on")
	add(o.LateCrashes, "crash", "that came after many others, all different")
	add(o.WordyCrashes, "crash", fmt.Sprintf("in which the runtime said more than %d bytes, read up to there", maxMessages))
	add(o.JSONLines, "line", "with JSON that is too deep, or at too many places")
	add(o.ManyPrefixLines, "line", "that may be of a crash, with a prefix that came after too many others")
	add(o.LongPrefixLines, "line", fmt.Sprintf("that may be of a crash, with a prefix of more than %d bytes", unwrap.MaxPrefix))
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s; the first begins in line %d", strings.Join(parts, "; "), o.FirstLine)
}
