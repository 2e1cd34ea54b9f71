package crash

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize/english"

	"splitadd/internal/crash/unwrap"
)

// Omitted counts what of an input was not read because of a bound.
type Omitted struct {
	Long     int // crashes of which the end was not read
	Quiet    int // crashes that may have gone on after many others
	Late     int // crashes after many others that are different
	Words    int // crashes in which the runtime said more than is looked at
	JSON     int // lines with JSON that was not read
	Prefixes int // lines with a prefix, after too many others
	Far      int // lines with a prefix that is too long
	AtLine   int // where the first of them begins
}

// Add counts one more, which begins in a line, of those that a field of o counts.
func (o *Omitted) Add(field *int, line int) {
	if *field++; o.AtLine == 0 || line < o.AtLine {
		o.AtLine = line
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
	add(o.Long, "crash", fmt.Sprintf("of more than %d bytes, read up to there", maxLog))
	add(o.Quiet, "crash", "that others interrupted for long, and may have gone on")
	add(o.Late, "crash", "that came after many others, all different")
	add(o.Words, "crash", fmt.Sprintf("in which the runtime said more than %d bytes, read up to there", maxMessages))
	add(o.JSON, "line", "with JSON that is too deep, or at too many places")
	add(o.Prefixes, "line", "that may be of a crash, with a prefix that came after too many others")
	add(o.Far, "line", fmt.Sprintf("that may be of a crash, with a prefix of more than %d bytes", unwrap.MaxPrefix))
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s; the first begins in line %d", strings.Join(parts, "; "), o.AtLine)
}
