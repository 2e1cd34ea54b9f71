// Package english stands in for github.com/dustin/go-humanize/english.
package english

import "fmt"

// Plural returns a number with a noun, which gets an s unless the number is 1.
func Plural(n int, noun, _ string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
