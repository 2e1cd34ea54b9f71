package crash

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize/english"
)

// Omitted says what of an input was not read because of a bound.
type Omitted struct {
	Long    int // crashes of which the end was not read
	Quiet   int // crashes that may have gone on after many others
	Skipped int // lines with JSON that was not read
	AtLine  int // where the first of them begins
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
	add(o.Skipped, "line", "with JSON that is too deep, or at too many places")
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s; the first begins in line %d", strings.Join(parts, "; "), o.AtLine)
}
